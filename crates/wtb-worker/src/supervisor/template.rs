//! A template from the supervisor's side: started, asked for workers, ended.

use std::fs::File;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};

use super::{SupervisorError, TemplateSettings};
use crate::frame::{self, FrameError};
use crate::process::{FromTemplate, Ground, Spec, ToTemplate, receive_fds, send_with_fds};

/// A template that runs.
#[derive(Debug)]
pub(super) struct Template {
    control: Mutex<UnixStream>,
    ground: Ground,
    guard: Mutex<Child>,
}

/// A worker's process as it was made.
#[derive(Debug)]
pub(super) struct Spawned {
    pub(super) connection: UnixStream,
    pub(super) report: UnixStream,
    pub(super) stdout: File,
    pub(super) stderr: File,
    /// Stands for the keeper's process; none where that had ended already.
    pub(super) keeper: Option<OwnedFd>,
}

impl Spawned {
    /// Makes connections to a worker; returns its ends of them, too: its connection, its keeper's, and
    /// its output.
    pub(super) fn connect() -> std::io::Result<(Self, [OwnedFd; 4])> {
        let (connection, their_connection) = UnixStream::pair()?;
        let (report, their_report) = UnixStream::pair()?;
        let (stdout, their_stdout) = pipe_with(PipeFlags::CLOEXEC)?;
        let (stderr, their_stderr) = pipe_with(PipeFlags::CLOEXEC)?;
        connection.set_nonblocking(true)?;
        report.set_nonblocking(true)?;
        for pipe in [&stdout, &stderr] {
            fcntl_setfl(pipe, fcntl_getfl(pipe)? | OFlags::NONBLOCK)?;
        }
        let (stdout, stderr) = (stdout.into(), stderr.into());
        let theirs = [their_connection.into(), their_report.into(), their_stdout, their_stderr];
        Ok((Self { connection, report, stdout, stderr, keeper: None }, theirs))
    }
}

impl Template {
    /// Starts an interpreter and waits until it has imported what it is to import.
    pub(super) fn start(settings: &TemplateSettings) -> Result<Self, SupervisorError> {
        let (mut control, theirs) = UnixStream::pair()?;
        let guard = Command::new(&settings.program)
            .args(&settings.arguments)
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            // What is printed while modules are imported is nobody's output.
            .stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?))
            // Ctrl-C in a terminal is for the program in front.
            .process_group(0)
            .spawn()
            .map_err(|error| SupervisorError::Start {
                program: settings.program.display().to_string(),
                reason: error.to_string(),
            })?;
        let guard = Mutex::new(guard);
        frame::write(&mut control, &ToTemplate::Prepare(settings.prepare.clone()))
            .map_err(|error| SupervisorError::TemplateLost(error.to_string()))?;
        match frame::read(&mut control) {
            Ok(Some(FromTemplate::Ready(ground))) => {
                Ok(Self { control: Mutex::new(control), ground, guard })
            }
            Ok(Some(FromTemplate::Failed { reason })) => Err(SupervisorError::TemplateLost(reason)),
            Ok(_) => Err(SupervisorError::TemplateLost(
                "it ended while it was preparing; what it said is above".to_owned(),
            )),
            Err(error) => Err(SupervisorError::TemplateLost(error.to_string())),
        }
    }

    pub(super) const fn ground(&self) -> &Ground {
        &self.ground
    }

    /// Makes a worker.
    pub(super) fn spawn(&self, spec: &Spec) -> Result<Spawned, SupervisorError> {
        let (spawned, theirs) = Spawned::connect()?;
        let keeper = self.fork(spec, &theirs.each_ref().map(OwnedFd::as_fd))?;
        Ok(Spawned { keeper, ..spawned })
    }

    fn fork(
        &self,
        spec: &Spec,
        files: &[std::os::fd::BorrowedFd<'_>],
    ) -> Result<Option<OwnedFd>, SupervisorError> {
        let lost = |error: FrameError| SupervisorError::TemplateLost(error.to_string());
        // One at a time: the answers have no numbers.
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let request = ToTemplate::Fork(Box::new(spec.clone()));
        send_with_fds(&control, &request, files).map_err(lost)?;
        match receive_fds(&control).map_err(lost)? {
            Some((FromTemplate::Forked {}, files)) => Ok(files.into_iter().next()),
            Some((FromTemplate::Failed { reason }, _)) => Err(SupervisorError::Fork(reason)),
            Some((FromTemplate::Ready(_), _)) => {
                Err(SupervisorError::TemplateLost("it was ready twice".to_owned()))
            }
            None => Err(SupervisorError::TemplateLost(self.how_it_ended())),
        }
    }

    fn how_it_ended(&self) -> String {
        let mut guard = self.guard.lock().unwrap_or_else(PoisonError::into_inner);
        match guard.wait() {
            Ok(status) => format!("it ended ({status})"),
            Err(error) => format!("it ended ({error})"),
        }
    }
}

impl Drop for Template {
    /// Ends the template, and with it everything below it.
    fn drop(&mut self) {
        let control = self.control.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = control.shutdown(std::net::Shutdown::Both);
        let guard = self.guard.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = guard.wait();
    }
}
