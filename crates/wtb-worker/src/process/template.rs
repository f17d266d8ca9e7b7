//! The template: an interpreter that has imported what attempts need, and forks on request.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid,
};
use serde::{Deserialize, Serialize};

use super::keeper::{Keeper, leave};
use super::{Ground, Isolation, Spec, ground, receive_fds, send_with_fds};
use crate::frame::{self, FrameError};

/// How often a guard looks whether its template has ended.
const GUARD_EVERY_MS: i64 = 250;

/// What a template is to import before it is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// Where modules are looked for, in this order.
    pub path: Vec<String>,
    /// The modules.
    pub modules: Vec<String>,
}

/// What a supervisor tells a template.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToTemplate {
    /// The first message.
    Prepare(Prepare),
    /// Make a worker. With it come its connection, its keeper's, and both ends of its output.
    Fork(Box<Spec>),
}

/// What a template tells a supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromTemplate {
    /// It is ready to fork.
    Ready(Ground),
    /// A worker's keeper was made. With it comes a file that stands for the keeper's process.
    Forked {},
    /// A worker could not be made.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A template's own end of its connection, before and after each fork.
#[derive(Debug)]
pub struct Template {
    control: Mutex<Option<UnixStream>>,
    /// The namespace of process ids to return to after a fork.
    namespace: Option<OwnedFd>,
    reason: Option<String>,
}

/// What a keeper and its worker are made from.
#[derive(Debug)]
pub struct WorkerSeed {
    spec: Spec,
    isolation: Isolation,
    files: Mutex<Option<Files>>,
}

#[derive(Debug)]
struct Files {
    connection: OwnedFd,
    report: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
}

impl Template {
    /// In the guard, before it forks: takes the connection, and readies the namespaces.
    pub fn begin(control: OwnedFd) -> Self {
        let reason = ground::enter_template_namespace().err();
        let reason = reason.map(|error| format!("no namespace of process ids: {error}"));
        Self { control: Mutex::new(Some(control.into())), namespace: None, reason }
    }

    /// In the guard, after the fork: ends the template when the supervisor is gone. Does not return.
    pub fn guard(&self, template: i32) -> ! {
        let ended = self.wait_for_end(template).unwrap_or(1);
        leave(ended)
    }

    fn wait_for_end(&self, template: i32) -> std::io::Result<i32> {
        let template = Pid::from_raw(template).ok_or(rustix::io::Errno::SRCH)?;
        let every = Timespec { tv_sec: 0, tv_nsec: GUARD_EVERY_MS * 1_000_000 };
        let control = self.lock();
        loop {
            // Asked for nothing, it still says when the other end is closed.
            let mut fds: Vec<_> =
                control.iter().map(|one| PollFd::new(one, PollFlags::empty())).collect();
            let _ = poll(&mut fds, Some(&every));
            if fds.iter().any(|fd| !fd.revents().is_empty()) {
                let _ = kill_process(template, Signal::KILL);
            }
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            if let Some(status) = waitid(WaitId::Pid(template), options)? {
                return Ok(status.exit_status().unwrap_or(1));
            }
        }
    }

    /// In the template, right after it was forked: it ends with its guard, and is to be told of
    /// processes that lose their parents.
    pub fn settle(&mut self) -> std::io::Result<()> {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        if self.reason.is_none() {
            match ground::own_namespace() {
                Ok(namespace) => self.namespace = Some(namespace),
                Err(error) => self.reason = Some(error.to_string()),
            }
        }
        Ok(())
    }

    /// Whether it is worth trying what a keeper in a namespace does.
    pub fn wants_trial(&self) -> bool {
        self.namespace.is_some()
    }

    /// In a child that tries it out: returns why it does not work.
    pub fn try_keeper(&self) -> Option<String> {
        ground::mount_own_proc().err().map(|error| format!("no /proc of their own: {error}"))
    }

    /// Goes without namespaces from now on.
    pub fn give_up_namespaces(&mut self, reason: String) {
        self.namespace = None;
        self.reason = Some(reason);
    }

    /// Returns how workers are kept apart, and why not better.
    pub fn isolation(&self) -> (Isolation, Option<String>) {
        match &self.namespace {
            Some(_) => (Isolation::PidNamespace, None),
            None => (Isolation::Subreaper, self.reason.clone()),
        }
    }

    /// Waits for what is to be imported.
    pub fn prepare(&self) -> Result<Option<Prepare>, FrameError> {
        match self.receive()? {
            Some((ToTemplate::Prepare(prepare), _)) => Ok(Some(prepare)),
            Some(_) => Err(FrameError::Malformed("a template has to be prepared first".into())),
            None => Ok(None),
        }
    }

    /// Tells that it is ready.
    pub fn ready(&self, ground: Ground) -> Result<(), FrameError> {
        self.tell(&FromTemplate::Ready(ground))
    }

    /// Waits for a worker to make; `None` when the supervisor is gone.
    pub fn next(&self) -> Result<Option<WorkerSeed>, FrameError> {
        let Some((message, files)) = self.receive()? else { return Ok(None) };
        let (ToTemplate::Fork(spec), Ok([connection, report, stdout, stderr])) =
            (message, <[OwnedFd; 4]>::try_from(files))
        else {
            return Err(FrameError::Malformed("a worker comes with four files".to_owned()));
        };
        let files = Mutex::new(Some(Files { connection, report, stdout, stderr }));
        Ok(Some(WorkerSeed { spec: *spec, isolation: self.isolation().0, files }))
    }

    /// Before the fork of a keeper.
    pub fn before_fork(&self) -> std::io::Result<()> {
        if self.namespace.is_some() { ground::enter_worker_namespace() } else { Ok(()) }
    }

    /// After a fork: the children that come next are in the template's own namespace again.
    pub fn return_home(&self) -> std::io::Result<()> {
        self.namespace.as_ref().map_or(Ok(()), ground::return_to)
    }

    /// After the fork of a keeper, in the template: tells the supervisor; without a keeper, why there is
    /// none.
    pub fn after_fork(&self, keeper: Result<i32, String>) -> Result<(), FrameError> {
        self.return_home()?;
        match keeper {
            Ok(keeper) => {
                let keeper = Pid::from_raw(keeper);
                let file = keeper.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
                let control = self.lock();
                let control = control.as_ref().ok_or_else(closed)?;
                let files: Vec<_> = file.iter().map(OwnedFd::as_fd).collect();
                send_with_fds(control, &FromTemplate::Forked {}, &files)
            }
            Err(reason) => self.tell(&FromTemplate::Failed { reason }),
        }
    }

    /// In a keeper: lets go of what is the template's.
    pub fn let_go(&self) {
        self.lock().take();
    }

    fn tell(&self, message: &FromTemplate) -> Result<(), FrameError> {
        let control = self.lock();
        let mut stream = control.as_ref().ok_or_else(closed)?;
        frame::write(&mut stream, message)
    }

    fn receive(&self) -> Result<Option<(ToTemplate, Vec<OwnedFd>)>, FrameError> {
        let control = self.lock();
        receive_fds(control.as_ref().ok_or_else(closed)?)
    }

    fn lock(&self) -> MutexGuard<'_, Option<UnixStream>> {
        self.control.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn closed() -> FrameError {
    FrameError::Malformed("the connection is the template's".to_owned())
}

impl WorkerSeed {
    /// In the template, after the fork: lets go of what is the worker's, whose end could not be seen
    /// otherwise.
    pub fn let_go(&self) {
        self.take();
    }

    /// In the keeper, before it forks.
    pub fn begin_keeper(&self) -> std::io::Result<()> {
        match self.isolation {
            Isolation::PidNamespace => ground::mount_own_proc(),
            Isolation::Subreaper => {
                let own = rustix::process::getpid();
                Ok(rustix::process::set_child_subreaper(Some(own))?)
            }
        }
    }

    /// In the keeper, after it has forked the worker: does not return before that one and all below it
    /// are gone, and then ends.
    pub fn keep(&self, worker: i32) -> ! {
        let files = self.take();
        let kept = Pid::from_raw(worker).zip(files).map(|(worker, files)| {
            let Files { report, connection, stdout, stderr } = files;
            // As long as the keeper had them open, nobody would see that the worker has closed them.
            drop((connection, stdout, stderr));
            let report = UnixStream::from(report);
            Keeper { report, worker, spec: &self.spec, isolation: self.isolation }.run()
        });
        leave(i32::from(!matches!(kept, Some(Ok(())))))
    }

    /// In the worker: makes it what it is to be. Returns its connection, unless a program took its place.
    pub fn become_worker(&self) -> std::io::Result<UnixStream> {
        let Files { connection, stdout, stderr, .. } =
            self.take().ok_or_else(|| std::io::Error::other("the worker has begun already"))?;
        self.spec.apply(&stdout, &stderr)?;
        if self.spec.command.is_empty() {
            return Ok(connection.into());
        }
        Err(self.spec.exec(&connection))
    }

    /// Environment variables, over those of the template.
    pub fn environment(&self) -> &[(String, String)] {
        &self.spec.environment
    }

    fn take(&self) -> Option<Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
