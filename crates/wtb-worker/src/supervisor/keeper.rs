//! A keeper from the supervisor's side: makes one worker after the other.

use std::fs::File;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, pidfd_send_signal};

use crate::frame::{self, FrameError, Inbox};
use crate::process::{Report, ToKeeper, send_with_fds};

/// A keeper. Dropping it ends it, and everything below it.
#[derive(Debug)]
pub struct Keeper {
    stream: UnixStream,
    inbox: Inbox,
    /// Stands for its process; none where that had ended already.
    process: Option<OwnedFd>,
}

/// A worker's process as it was made.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) connection: UnixStream,
    pub(super) stdout: File,
    pub(super) stderr: File,
    pub(super) keeper: Keeper,
}

impl Keeper {
    /// With a connection that does not block.
    pub(super) fn new(stream: UnixStream, process: Option<OwnedFd>) -> Self {
        Self { stream, inbox: Inbox::default(), process }
    }

    /// Has it make a worker.
    pub(super) fn start(self) -> Result<Spawned, FrameError> {
        let (spawned, theirs) = self.connected()?;
        let files = theirs.each_ref().map(OwnedFd::as_fd);
        send_with_fds(&spawned.keeper.stream, &ToKeeper::Start {}, &files)?;
        Ok(spawned)
    }

    /// Makes connections to a worker; returns its ends of them, too: its connection and its output.
    pub(super) fn connected(self) -> std::io::Result<(Spawned, [OwnedFd; 3])> {
        let (connection, their_connection) = UnixStream::pair()?;
        let (stdout, their_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        connection.set_nonblocking(true)?;
        for pipe in [&stdout, &stderr] {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        let (stdout, stderr) = (stdout.into(), stderr.into());
        let spawned = Spawned { connection, stdout, stderr, keeper: self };
        Ok((spawned, [their_connection.into(), their_stdout, their_stderr]))
    }

    /// Tells it what to do with its worker.
    pub(super) fn tell(&mut self, what: ToKeeper) {
        // One that has ended needs to be told nothing, and it says so itself.
        let _ = frame::write(&mut self.stream, &what);
    }

    /// Ends it at once; the kernel or nobody ends what is below it.
    pub(super) fn kill(&self) {
        if let Some(process) = &self.process {
            let _ = pidfd_send_signal(process, Signal::KILL);
        }
    }

    /// Returns what it has reported; nothing yet is `Ok(None)`.
    ///
    /// # Errors
    ///
    /// [`Lost`] if there is nothing, and nothing more will come.
    pub(super) fn hear(&mut self) -> Result<Option<Report>, Lost> {
        let is_open = self.inbox.fill(&mut self.stream).unwrap_or(false);
        match self.inbox.take() {
            Ok(Some(report)) => Ok(Some(report)),
            Ok(None) if is_open => Ok(None),
            Ok(None) | Err(_) => Err(Lost),
        }
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// A keeper that has ended without a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost;
