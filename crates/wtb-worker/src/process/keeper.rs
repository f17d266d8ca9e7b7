//! The keeper of a worker: waits for it, ends what it leaves behind, and tells how it ended.
//!
//! It keeps one worker after the other. When its connection ends, so does everything.

use std::collections::HashSet;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, pidfd_open,
    waitid,
};
use serde::{Deserialize, Serialize};

use super::{Isolation, Spec, below};
use crate::frame::{self, FrameError};

/// What a supervisor tells a keeper. What comes after a worker's end for that one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToKeeper {
    /// Make a worker. With it come its connection and both ends of its output.
    Start {},
    /// Ask the worker to end.
    Terminate {},
    /// End the worker and everything below it.
    Kill {},
}

/// How often orphans are reaped.
const REAP_EVERY: Duration = Duration::from_millis(250);
/// How often memory is looked at, where it is limited.
const MEMORY_EVERY: Duration = Duration::from_millis(20);
/// How many of the processes that were left behind are named.
const NAMED_MAX: usize = 8;

/// How a worker's process ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Its exit status, where it ended by itself.
    pub(crate) status: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// The memory that it and everything below it used when that was too much, in bytes.
    pub(crate) memory_bytes: Option<u64>,
    /// Processes that it left behind, by name; the first of them.
    pub(crate) left_behind: Vec<String>,
    /// How many it left behind.
    pub(crate) left_behind_count: u64,
    /// Why there was no process at all.
    pub(crate) not_started: Option<String>,
}

/// A keeper at work.
pub(crate) struct Keeper<'seed> {
    pub(crate) report: &'seed UnixStream,
    pub(crate) worker: Pid,
    pub(crate) spec: &'seed Spec,
    pub(crate) isolation: Isolation,
}

impl Keeper<'_> {
    /// Waits for the worker's end, ends everything else, and reports.
    pub(crate) fn run(mut self) -> Result<(), FrameError> {
        let mut report = Report { memory_bytes: self.watch()?, ..Report::default() };
        // Only the worker at first, or nobody could count what it leaves behind.
        let _ = kill_process(self.worker, Signal::KILL);
        self.wait_for_worker(&mut report)?;
        let left = self.others();
        report.left_behind_count = left.len() as u64;
        report.left_behind = left.iter().take(NAMED_MAX).map(|pid| name_of(*pid)).collect();
        below::end(self.isolation, Some(self.worker));
        frame::write(&mut self.report, &report)
    }

    /// Does as it is told until the worker ends or has to. Returns the memory that was too much.
    fn watch(&mut self) -> Result<Option<u64>, FrameError> {
        let limit = self.spec.limits.memory_bytes;
        let every = if limit.is_some() { MEMORY_EVERY } else { REAP_EVERY };
        let every = Timespec { tv_sec: 0, tv_nsec: every.subsec_nanos().into() };
        let worker = pidfd_open(self.worker, PidfdFlags::empty()).map_err(std::io::Error::from)?;
        loop {
            let mut fds =
                [PollFd::new(self.report, PollFlags::IN), PollFd::new(&worker, PollFlags::IN)];
            match poll(&mut fds, Some(&every)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(std::io::Error::from(error).into()),
            }
            let (told, ended) = (!fds[0].revents().is_empty(), !fds[1].revents().is_empty());
            if ended {
                return Ok(None);
            }
            if told {
                match frame::read(&mut self.report) {
                    // It may have ended in between.
                    Ok(Some(ToKeeper::Terminate {})) => {
                        let _ = kill_process_group(self.worker, Signal::TERM);
                    }
                    _ => return Ok(None),
                }
            }
            let used = limit.map(|limit| (memory_bytes(&self.everyone()), limit));
            if let Some((used, limit)) = used
                && used > limit
            {
                return Ok(Some(used));
            }
            self.reap_others();
        }
    }

    fn wait_for_worker(&self, report: &mut Report) -> std::io::Result<()> {
        let status = loop {
            match waitid(WaitId::Pid(self.worker), WaitIdOptions::EXITED) {
                Ok(Some(status)) => break status,
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        };
        report.status = status.exit_status();
        report.signal = status.terminating_signal();
        Ok(())
    }

    /// Reaps what has lost its parent and ended, but not the worker.
    fn reap_others(&self) {
        for pid in self.others() {
            let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }

    fn everyone(&self) -> HashSet<Pid> {
        let mut all = self.others();
        all.insert(self.worker);
        all
    }

    fn others(&self) -> HashSet<Pid> {
        below::others(self.isolation, Some(self.worker))
    }
}

/// Ends the calling process, and nothing else: what runs at an interpreter's end is not its.
pub(crate) fn leave(status: i32) -> ! {
    // SAFETY: `_exit` takes no pointers and returns to nobody.
    #[expect(
        unsafe_code,
        reason = "the standard library's exit runs handlers that a fork inherited"
    )]
    unsafe {
        libc::_exit(status)
    }
}

fn name_of(pid: Pid) -> String {
    let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
    String::from_utf8_lossy(&name).trim_end().to_owned()
}

/// The memory of processes: of what several of them share, each has its part.
fn memory_bytes(pids: &HashSet<Pid>) -> u64 {
    let of = |pid: &Pid| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let kib = |field: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(field))?;
            line.split_ascii_whitespace().next()?.parse::<u64>().ok()
        };
        Some((kib("Pss:").unwrap_or(0) + kib("SwapPss:").unwrap_or(0)) << 10)
    };
    pids.iter().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;
    use std::process::Command;

    use super::super::Limits;
    use super::*;

    /// What is reported of a shell that runs a script, and is told these bytes.
    #[expect(clippy::zombie_processes, reason = "it is the keeper that waits for it")]
    fn reported(script: &str, limits: Limits, told: Option<ToKeeper>) -> Report {
        let (mut ours, report) = UnixStream::pair().unwrap();
        let shell = Command::new("sh").args(["-c", script]).process_group(0).spawn().unwrap();
        if let Some(told) = told {
            frame::write(&mut ours, &told).unwrap();
        }
        let spec = Spec { limits, ..Spec::default() };
        let worker = Pid::from_child(&shell);
        Keeper { report: &report, worker, spec: &spec, isolation: Isolation::Subreaper }
            .run()
            .unwrap();
        frame::read(&mut ours).unwrap().unwrap()
    }

    // One after the other: a keeper ends everything below the process that it runs in.
    #[test]
    fn a_keeper_reports_how_its_worker_ended_and_ends_what_it_leaves_behind() {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).unwrap();
        let free = Limits::default;
        let report = reported("exit 3", free(), None);
        assert_eq!((report.status, report.signal, report.left_behind_count), (Some(3), None, 0));
        let report = reported("kill -SEGV $$", free(), None);
        assert_eq!((report.status, report.signal), (None, Some(libc::SIGSEGV)));
        let report = reported("sleep 1000 & sleep 1000 & exit 0", free(), None);
        assert_eq!((report.status, report.left_behind_count), (Some(0), 2));
        assert_eq!(report.left_behind.len(), 2);
        let report = reported("exec sleep 1000", free(), Some(ToKeeper::Terminate {}));
        assert_eq!(report.signal, Some(libc::SIGTERM));
        let report = reported("trap '' TERM; exec sleep 1000", free(), Some(ToKeeper::Kill {}));
        assert_eq!(report.signal, Some(libc::SIGKILL));
        let tight = Limits { memory_bytes: Some(1), ..free() };
        let report = reported("exec sleep 1000", tight, None);
        assert_eq!(report.signal, Some(libc::SIGKILL));
        assert!(report.memory_bytes.unwrap() > 1);
        assert!(below::others(Isolation::Subreaper, None).is_empty(), "nothing is left");
    }

    #[test]
    fn a_process_knows_its_name_and_its_memory() {
        let own = rustix::process::getpid();
        assert!(memory_bytes(&HashSet::from([own])) > 100_000);
        assert!(!name_of(own).is_empty());
    }
}
