//! The supervisor: makes workers from a template, gives them attempts, and ends them when it is time.
//!
//! It lives in the program's own process and belongs to no attempt: whatever a worker does to itself,
//! the supervisor finds out how it ended. One thread of the caller drives one worker at a time.

mod ending;
#[cfg(test)]
mod hostile;
mod keeper;
mod line;
mod output;
mod template;
mod worker;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;

pub use ending::{CRASHED, Ended, Stop};
pub use keeper::Keeper;
pub use output::{OUTPUT_HEAD_BYTES_MAX, OUTPUT_TAIL_BYTES_MAX};
pub use worker::{Host, Worker};

use crate::frame::FrameError;
use crate::process::{Ground, Prepare, Spec};
use template::Template;

/// How often a template that was lost is started anew.
pub const TEMPLATES_MAX: u32 = 100;

/// Why a supervisor cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// The template's interpreter could not be started.
    #[error("cannot start `{program}`, the interpreter that workers are made from: {reason}")]
    Start {
        /// The interpreter.
        program: String,
        /// Why.
        reason: String,
    },
    /// The template ended or does not answer.
    #[error("the process that workers are made from was lost: {0}")]
    TemplateLost(String),
    /// A keeper of workers could not be made.
    #[error("a worker's process could not be made: {0}")]
    Fork(String),
    /// Worker and supervisor do not understand each other.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The operating system refused something.
    #[error("the operating system refused what a worker's process needs: {0}")]
    Io(#[from] std::io::Error),
}

/// How a template is started.
#[derive(Debug, Clone, Default)]
pub struct TemplateSettings {
    /// The interpreter.
    pub program: PathBuf,
    /// Its arguments. It finds its connection as its standard input.
    pub arguments: Vec<String>,
    /// Its working directory, and that of its workers; by default that of the program.
    pub directory: Option<PathBuf>,
    /// Environment variables of its and of its workers, over those of the program.
    pub environment: Vec<(String, String)>,
    /// What it imports.
    pub prepare: Prepare,
}

/// How attempts are run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How the template is started.
    pub template: TemplateSettings,
    /// What workers are like.
    pub spec: Spec,
    /// What all attempts have in common, as the front end packed it.
    pub job: Bytes,
    /// How long an attempt may take.
    pub timeout: Option<Duration>,
    /// How long a worker that was asked to end may take for it.
    pub grace: Duration,
    /// Whether each attempt has a worker of its own.
    pub is_fresh: bool,
}

/// Makes workers. May be shared by threads.
#[derive(Debug)]
pub struct Supervisor {
    settings: Settings,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    template: Option<Arc<Template>>,
    started: u32,
}

impl Supervisor {
    /// Starts a template, as long as that is wanted.
    pub fn start(
        settings: Settings,
        is_wanted: &mut dyn FnMut() -> bool,
    ) -> Result<Self, SupervisorError> {
        let supervisor = Self { settings, state: Mutex::default() };
        supervisor.begun(is_wanted)?;
        Ok(supervisor)
    }

    /// Returns how attempts are run.
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns what the template found out about the machine and itself.
    pub fn ground(&self) -> Result<Ground, SupervisorError> {
        Ok(self.template()?.ground().clone())
    }

    /// Makes a worker: with the keeper of one that has ended, if that still runs.
    pub fn worker(&self, keeper: Option<Keeper>) -> Result<Worker, SupervisorError> {
        let spawned = match keeper.map(Keeper::start) {
            Some(Ok(spawned)) => spawned,
            // It was lost while it had nothing to do.
            Some(Err(_)) | None => self.keeper()?.start()?,
        };
        Worker::begin(spawned, &self.settings)
    }

    fn keeper(&self) -> Result<Keeper, SupervisorError> {
        let template = self.template()?;
        match template.keeper(&self.settings.spec) {
            Err(SupervisorError::TemplateLost(_)) => {
                self.forget(&template);
                // Its workers are lost with it; what comes next is not.
                self.template()?.keeper(&self.settings.spec)
            }
            made => made,
        }
    }

    /// Ends the template and all workers.
    pub fn close(&self) {
        self.lock().template = None;
    }

    fn template(&self) -> Result<Arc<Template>, SupervisorError> {
        self.begun(&mut || true)
    }

    fn begun(&self, is_wanted: &mut dyn FnMut() -> bool) -> Result<Arc<Template>, SupervisorError> {
        let mut state = self.lock();
        if let Some(template) = &state.template {
            return Ok(Arc::clone(template));
        }
        if state.started >= TEMPLATES_MAX {
            let reason = format!("it was started {TEMPLATES_MAX} times, and lost each time");
            return Err(SupervisorError::TemplateLost(reason));
        }
        state.started += 1;
        let template = Arc::new(Template::start(&self.settings.template, is_wanted)?);
        state.template = Some(Arc::clone(&template));
        Ok(template)
    }

    fn forget(&self, lost: &Arc<Template>) {
        let mut state = self.lock();
        if state.template.as_ref().is_some_and(|template| Arc::ptr_eq(template, lost)) {
            state.template = None;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
