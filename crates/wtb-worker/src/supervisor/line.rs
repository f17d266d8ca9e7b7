//! The line to a worker: what is to be said to it, and what it has said.
//!
//! Both directions are bounded. Of what it says only a little is read ahead of what is heard; and as
//! long as it does not read what it is told, it is not heard either.

use std::io::{ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags};

use crate::frame::{self, FrameError, Inbox};
use crate::message::{FromWorker, PROTOCOL_VERSION, ToWorker};

/// How many bytes may wait to be read by a worker before it is not heard any more.
const OUTBOX_BYTES_MAX: usize = 1 << 20;
/// How often what a worker has left behind is read: more than a connection holds.
const LAST_READS_MAX: usize = 64;

/// A connection to a worker.
#[derive(Debug)]
pub(super) struct Line {
    /// Until its end.
    stream: Option<UnixStream>,
    inbox: Inbox,
    outbox: Vec<u8>,
    /// Whether the worker cannot hear any more.
    is_deaf: bool,
    /// Whether the worker has said hello.
    is_greeted: bool,
    violation: Option<String>,
}

impl Line {
    /// Begins with what is said first.
    pub(super) fn new(stream: UnixStream, welcome: &ToWorker) -> Result<Self, FrameError> {
        Ok(Self {
            stream: Some(stream),
            inbox: Inbox::default(),
            outbox: frame::encode(welcome)?,
            is_deaf: false,
            is_greeted: false,
            violation: None,
        })
    }

    /// Whether more may come.
    pub(super) fn is_open(&self) -> bool {
        self.stream.is_some()
    }

    /// Whether there is nobody any more who could be told anything.
    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf || self.stream.is_none()
    }

    /// Whether all was heard that will ever be.
    pub(super) fn is_over(&self) -> bool {
        self.stream.is_none() && !self.inbox.has_next()
    }

    /// Whether something was read that can be heard now.
    pub(super) fn has_next(&self) -> bool {
        self.inbox.has_next() && self.outbox.len() < OUTBOX_BYTES_MAX
    }

    /// What is wrong with what the worker has said.
    pub(super) fn violation(&self) -> Option<&str> {
        self.violation.as_deref()
    }

    /// From now on nothing counts that the worker says.
    pub(super) fn refuse(&mut self, violation: String) {
        self.violation.get_or_insert(violation);
        self.inbox = Inbox::default();
    }

    /// What to wait for.
    pub(super) fn poll_fd(&self) -> Option<PollFd<'_>> {
        let mut flags = PollFlags::empty();
        if !self.outbox.is_empty() {
            flags |= PollFlags::OUT;
        }
        if self.outbox.len() < OUTBOX_BYTES_MAX {
            flags |= PollFlags::IN;
        }
        self.stream.as_ref().map(|stream| PollFd::from_borrowed_fd(stream.as_fd(), flags))
    }

    /// Says something as soon as the worker reads it.
    pub(super) fn tell(&mut self, message: &ToWorker) -> Result<(), FrameError> {
        self.outbox.extend(frame::encode(message)?);
        self.flush();
        Ok(())
    }

    /// Says what can be said without waiting.
    pub(super) fn flush(&mut self) {
        let mut said = 0;
        while let Some(stream) = &mut self.stream
            && said < self.outbox.len()
            && !self.is_deaf
        {
            match stream.write(&self.outbox[said..]) {
                Ok(count) => said += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // It has ended, which shows when it is read.
                Err(_) => self.is_deaf = true,
            }
        }
        if self.is_deaf() {
            self.outbox.clear();
        } else {
            self.outbox.drain(..said);
        }
    }

    /// Reads what can be read without waiting, unless there is something to be heard first.
    pub(super) fn read(&mut self) {
        if self.violation.is_some() {
            self.inbox = Inbox::default();
        }
        if self.inbox.has_next() {
            return;
        }
        let Some(stream) = &mut self.stream else { return };
        // What it sent before it ended badly was read before.
        if !self.inbox.fill(stream).unwrap_or_default() {
            self.stream = None;
        }
    }

    /// Reads all that is there: whoever could say more has ended.
    pub(super) fn read_last(&mut self) {
        for _ in 0..LAST_READS_MAX {
            let Some(stream) = &mut self.stream else { return };
            if !self.inbox.fill(stream).unwrap_or_default() {
                break;
            }
        }
        self.stream = None;
    }

    /// Returns what the worker said next, if it has said anything that can be heard now.
    pub(super) fn next(&mut self) -> Option<FromWorker> {
        if self.violation.is_some() || self.outbox.len() >= OUTBOX_BYTES_MAX {
            return None;
        }
        let violation = match self.inbox.take() {
            Ok(None) => return None,
            Ok(Some(message)) => match self.greeted(&message) {
                Ok(()) => return Some(message),
                Err(violation) => violation,
            },
            Err(error) => error.to_string(),
        };
        self.refuse(violation);
        None
    }

    fn greeted(&mut self, message: &FromWorker) -> Result<(), String> {
        match message {
            FromWorker::Hello { version: PROTOCOL_VERSION } => self.is_greeted = true,
            FromWorker::Hello { version } => {
                return Err(format!(
                    "it speaks version {version}, this program {PROTOCOL_VERSION}: install the \
                     same version of wtb for both"
                ));
            }
            _ if !self.is_greeted => return Err("it did not say hello first".to_owned()),
            _ => {}
        }
        Ok(())
    }
}
