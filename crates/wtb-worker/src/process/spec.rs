//! What a worker's process is to be like.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, nice, setrlimit, setsid};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use serde::{Deserialize, Serialize};

/// How long a process that used up its CPU time is given to end by itself, in seconds.
const CPU_GRACE_S: u64 = 1;

/// What a worker's process may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of the worker and everything below it, in bytes; shared pages count by their share.
    pub memory_bytes: Option<u64>,
    /// CPU time of each of its processes, in seconds.
    pub cpu_s: Option<u64>,
    /// Whether the worker counts its CPU time anew for each of its attempts: then only it can end a
    /// process that takes no notice of the signal for too much of it.
    #[serde(default)]
    pub renews_cpu: bool,
    /// Added to its niceness.
    pub nice: i32,
}

/// What a worker's process is to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// What it may use.
    pub limits: Limits,
    /// A program that takes the worker's place, with its arguments. It finds the connection under the
    /// file descriptor that `WTB_WORKER_FD` names.
    pub command: Vec<String>,
}

impl Spec {
    /// Makes the calling process what it is to be: a session of its own, with this output. To be
    /// called right after the fork.
    pub(crate) fn apply(&self, stdout: &OwnedFd, stderr: &OwnedFd) -> std::io::Result<()> {
        setsid()?;
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        dup2_stdin(open("/dev/null", OFlags::RDONLY, Mode::empty())?)?;
        dup2_stdout(stdout)?;
        dup2_stderr(stderr)?;
        // A crash costs an attempt, and not a file of its memory each time.
        limit(Resource::Core, 0, Some(0))?;
        if let Some(seconds) = self.limits.cpu_s {
            let hard = (!self.limits.renews_cpu).then(|| seconds.saturating_add(CPU_GRACE_S));
            limit(Resource::Cpu, seconds, hard)?;
        }
        if self.limits.nice != 0 {
            nice(self.limits.nice)?;
        }
        Ok(())
    }

    /// Puts the worker's program in the place of the calling process; returns why it could not.
    pub(crate) fn exec(&self, connection: &OwnedFd) -> std::io::Error {
        let Some((program, arguments)) = self.command.split_first() else {
            return std::io::Error::other("there is no program to put into the worker's place");
        };
        // A copy that stays open in the program.
        let kept = match rustix::io::fcntl_dupfd_cloexec(connection, 3).and_then(|kept| {
            rustix::io::fcntl_setfd(&kept, rustix::io::FdFlags::empty()).map(|()| kept)
        }) {
            Ok(kept) => kept,
            Err(error) => return error.into(),
        };
        let number = std::os::fd::AsRawFd::as_raw_fd(&kept);
        Command::new(program).args(arguments).env("WTB_WORKER_FD", number.to_string()).exec()
    }
}

fn limit(resource: Resource, soft: u64, hard: Option<u64>) -> Result<(), Errno> {
    // Nobody may have more than the program itself.
    let most = getrlimit(resource).maximum;
    let hard = hard.into_iter().chain(most).min();
    let soft = hard.map_or(soft, |hard| soft.min(hard));
    setrlimit(resource, Rlimit { current: Some(soft), maximum: hard })
}
