//! The template: an interpreter that has imported what attempts need, and forks on request.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process, pidfd_open, waitid,
};
use serde::{Deserialize, Serialize};

use super::keeper::leave;
use super::{Ground, Isolation, Seed, Spec, below, ground, pages, receive_fds, send_with_fds};
use crate::frame::{self, FrameError};

/// How often a guard looks whether its template has ended.
const GUARD_EVERY_MS: i64 = 250;

/// What a template is to import before it is ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepare {
    /// Modules of libraries.
    pub modules: Vec<String>,
    /// Modules of the user's own, which come last.
    pub own_modules: Vec<String>,
    /// How long these may take.
    pub own_modules_within: Duration,
}

/// What a supervisor tells a template.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToTemplate {
    /// The first message.
    Prepare(Prepare),
    /// Make a keeper, whose workers are to be like this. With it comes its connection.
    Fork(Box<Spec>),
}

/// What a template tells a supervisor.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromTemplate {
    /// It has imported the libraries.
    Imported {},
    /// It is ready to fork.
    Ready(Ground),
    /// A keeper was made. With it comes a file that stands for its process.
    Forked {},
    /// A keeper could not be made.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A template's own end of its connection, before and after each fork.
#[derive(Debug)]
pub struct Template {
    control: Mutex<Option<UnixStream>>,
    /// Stands for the supervisor's process. A copy of that, which it has forked, may keep the connection
    /// open.
    supervisor: Option<OwnedFd>,
    /// The namespace of process ids to return to after a fork.
    namespace: Option<OwnedFd>,
    reason: Option<String>,
    has_own_users: bool,
}

impl Template {
    /// In the guard, before it forks: takes the connection, and readies the namespaces, unless they are
    /// known not to work.
    pub fn begin(control: OwnedFd, reason: Option<String>) -> std::io::Result<Self> {
        let parent = rustix::process::getppid();
        let supervisor = parent.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let has_own_users = if reason.is_none() {
            ground::enter_template_namespace()?
        } else {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
            false
        };
        let control = Mutex::new(Some(control.into()));
        Ok(Self { control, supervisor, namespace: None, reason, has_own_users })
    }

    /// In the guard, after the fork: ends the template when the supervisor is gone. Does not return.
    pub fn guard(&self, template: i32) -> ! {
        let ended = self.wait_for_end(template).unwrap_or(1);
        if self.reason.is_some() {
            // Of a template in a namespace the kernel has left nothing.
            below::end(Isolation::Subreaper, None);
        }
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
            fds.extend(self.supervisor.iter().map(|one| PollFd::new(one, PollFlags::IN)));
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
            self.namespace = Some(ground::own_namespace()?);
        }
        Ok(())
    }

    /// Returns how workers are kept apart, and why not better.
    pub fn isolation(&self) -> (Isolation, Option<String>) {
        match &self.namespace {
            Some(_) => (Isolation::PidNamespace, None),
            None => (Isolation::Subreaper, self.reason.clone()),
        }
    }

    /// Whether there is a namespace of users for them.
    pub const fn has_own_users(&self) -> bool {
        self.has_own_users
    }

    /// Waits for what is to be imported.
    pub fn prepare(&self) -> Result<Option<Prepare>, FrameError> {
        match self.receive()? {
            Some((ToTemplate::Prepare(prepare), _)) => Ok(Some(prepare)),
            Some(_) => Err(FrameError::Malformed("a template has to be prepared first".into())),
            None => Ok(None),
        }
    }

    /// Tells that the libraries are there.
    pub fn imported(&self) -> Result<(), FrameError> {
        self.tell(&FromTemplate::Imported {})
    }

    /// Tells that it is ready.
    pub fn ready(&self, ground: Ground) -> Result<(), FrameError> {
        pages::gather();
        self.tell(&FromTemplate::Ready(ground))
    }

    /// Waits for a keeper to make; `None` when the supervisor is gone.
    pub fn next(&self) -> Result<Option<Seed>, FrameError> {
        let Some((message, files)) = self.receive()? else { return Ok(None) };
        let (ToTemplate::Fork(spec), Ok([report])) = (message, <[OwnedFd; 1]>::try_from(files))
        else {
            return Err(FrameError::Malformed("a keeper comes with its connection".to_owned()));
        };
        Ok(Some(Seed::new(*spec, self.isolation().0, report.into())))
    }

    /// Before the fork of a keeper.
    pub fn before_fork(&self) -> std::io::Result<()> {
        if self.namespace.is_some() { ground::enter_worker_namespace() } else { Ok(()) }
    }

    fn return_home(&self) -> std::io::Result<()> {
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
    pub fn let_go(&mut self) {
        self.lock().take();
        self.namespace = None;
        self.supervisor = None;
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
