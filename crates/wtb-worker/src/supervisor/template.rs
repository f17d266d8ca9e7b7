//! A template from the supervisor's side: started, asked for workers, ended.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::keeper::Keeper;
use super::{SupervisorError, TemplateSettings};
use crate::frame::{self, FrameError};
use crate::process::{FromTemplate, Ground, Spec, ToTemplate, receive_fds, send_with_fds};

/// How often it is looked whether a template is still wanted.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// A template that runs.
#[derive(Debug)]
pub(super) struct Template {
    guard: Guard,
    ground: Ground,
}

/// A template's guard, and the connection to the template. Dropping it ends the template, and with it
/// everything below it.
#[derive(Debug)]
struct Guard {
    control: Mutex<UnixStream>,
    process: Mutex<Child>,
}

impl Template {
    /// Starts an interpreter and waits until it has imported what it is to import; as long as that is
    /// wanted.
    pub(super) fn start(
        settings: &TemplateSettings,
        is_wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Self, SupervisorError> {
        let (control, theirs) = UnixStream::pair()?;
        let process = Mutex::new(spawn(settings, theirs)?);
        let guard = Guard { control: Mutex::new(control), process };
        let prepare = &settings.prepare;
        guard.tell(&ToTemplate::Prepare(prepare.clone()))?;
        let mut until = None;
        loop {
            match guard.hear(is_wanted, until)? {
                FromTemplate::Imported {} if prepare.own_modules.is_empty() => {}
                FromTemplate::Imported {} => {
                    until = Instant::now().checked_add(prepare.own_modules_within);
                }
                FromTemplate::Ready(ground) => return Ok(Self { guard, ground }),
                FromTemplate::Forked {} | FromTemplate::Failed { .. } => {
                    let reason = "it spoke of a fork before it was ready".to_owned();
                    return Err(SupervisorError::TemplateLost(reason));
                }
            }
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
        let control = self.guard.control.lock().unwrap_or_else(PoisonError::into_inner);
        let request = ToTemplate::Fork(Box::new(spec.clone()));
        send_with_fds(&control, &request, &[report]).map_err(lost)?;
        match receive_fds(&control).map_err(lost)? {
            Some((FromTemplate::Forked {}, files)) => Ok(files.into_iter().next()),
            Some((FromTemplate::Failed { reason }, _)) => Err(SupervisorError::Fork(reason)),
            Some((FromTemplate::Imported {} | FromTemplate::Ready(_), _)) => {
                Err(SupervisorError::TemplateLost("it was ready twice".to_owned()))
            }
            None => Err(self.guard.how_it_ended()),
        }
    }
}

impl Guard {
    fn tell(&self, message: &ToTemplate) -> Result<(), SupervisorError> {
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        frame::write(&mut &*control, message)
            .map_err(|error| SupervisorError::TemplateLost(error.to_string()))
    }

    /// Waits for what the template says next.
    fn hear(
        &self,
        is_wanted: &mut dyn FnMut() -> bool,
        until: Option<Instant>,
    ) -> Result<FromTemplate, SupervisorError> {
        let lost = |reason: &str| Err(SupervisorError::TemplateLost(reason.to_owned()));
        let every = Timespec { tv_sec: 0, tv_nsec: LOOK_EVERY.subsec_nanos().into() };
        let control = self.control.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut fds = [PollFd::new(&*control, PollFlags::IN)];
            if matches!(poll(&mut fds, Some(&every)), Ok(ready) if ready > 0) {
                return match frame::read(&mut &*control) {
                    Ok(Some(message)) => Ok(message),
                    Ok(None) | Err(_) => Err(self.how_it_ended()),
                };
            }
            if !is_wanted() {
                return lost("it was not wanted any more");
            }
            if until.is_some_and(|until| until <= Instant::now()) {
                return lost("the user's modules take too long to be imported");
            }
        }
    }

    fn how_it_ended(&self) -> SupervisorError {
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        SupervisorError::TemplateLost(match process.wait() {
            Ok(status) => format!("it ended ({status}); what it said is above"),
            Err(error) => format!("it ended ({error}); what it said is above"),
        })
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

impl Drop for Guard {
    fn drop(&mut self) {
        let control = self.control.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = control.shutdown(std::net::Shutdown::Both);
        let process = self.process.get_mut().unwrap_or_else(PoisonError::into_inner);
        let _ = process.wait();
    }
}
