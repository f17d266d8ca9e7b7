//! A template from the supervisor's side: started, asked for workers, ended.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use super::keeper::Keeper;
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

impl Template {
    /// Starts an interpreter and waits until it has imported what it is to import.
    pub(super) fn start(settings: &TemplateSettings) -> Result<Self, SupervisorError> {
        let (mut control, theirs) = UnixStream::pair()?;
        let guard = Mutex::new(spawn(settings, theirs)?);
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

    /// Makes a keeper for workers that are like this.
    pub(super) fn keeper(&self, spec: &Spec) -> Result<Keeper, SupervisorError> {
        let (report, theirs) = UnixStream::pair()?;
        report.set_nonblocking(true)?;
        let process = self.fork(spec, theirs.as_fd())?;
        Ok(Keeper::new(report, process))
    }

    fn fork(
        &self,
        spec: &Spec,
        report: BorrowedFd<'_>,
    ) -> Result<Option<OwnedFd>, SupervisorError> {
        let lost = |error: FrameError| SupervisorError::TemplateLost(error.to_string());
        // One at a time: the answers have no numbers.
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        let request = ToTemplate::Fork(Box::new(spec.clone()));
        send_with_fds(&control, &request, &[report]).map_err(lost)?;
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

/// Starts the interpreter, whose standard input is this connection. None of it stays open here, or
/// nobody would see that the interpreter has ended.
fn spawn(settings: &TemplateSettings, control: UnixStream) -> Result<Child, SupervisorError> {
    let mut command = Command::new(&settings.program);
    if let Some(directory) = &settings.directory {
        command.current_dir(directory);
    }
    command
        .args(&settings.arguments)
        .envs(settings.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(OwnedFd::from(control)))
        // What is printed while modules are imported is nobody's output.
        .stdout(Stdio::from(std::io::stderr().as_fd().try_clone_to_owned()?))
        // Ctrl-C in a terminal is for the program in front.
        .process_group(0);
    command.spawn().map_err(|error| SupervisorError::Start {
        program: settings.program.display().to_string(),
        reason: error.to_string(),
    })
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
