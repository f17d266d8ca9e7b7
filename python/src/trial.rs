//! Trying out what the process runner stands on, without a batch.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pyo3::prelude::*;
use serde::{Deserialize, Serialize};
use wtb_engine::EngineError;
use wtb_worker::{Ground, Prepare, Settings, Spec, Supervisor, SupervisorError, TemplateSettings};

use crate::errors::{Failure, Result, invalid};
use crate::workers::while_wanted;

/// How long a worker may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// A template to start: JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    program: String,
    arguments: Vec<String>,
    modules: Vec<String>,
}

/// What came of it: JSON.
#[derive(Serialize)]
struct Tried {
    ground: Ground,
    ready_s: f64,
}

/// Starts a template and has it make one worker; returns what they stand on and how long the template
/// took to be ready, as JSON.
#[pyfunction]
pub(crate) fn try_template(py: Python<'_>, asked: &str) -> Result<String> {
    let asked: Asked = serde_json::from_str(asked).map_err(|error| invalid(error.to_string()))?;
    let tried =
        while_wanted(py, |is_wanted| tried(asked, is_wanted)).map_err(Failure::Python)??;
    serde_json::to_string(&tried).map_err(|error| invalid(error.to_string()))
}

fn tried(asked: Asked, is_wanted: &mut dyn FnMut() -> bool) -> Result<Tried> {
    let Asked { program, arguments, modules } = asked;
    let prepare = Prepare { modules, ..Prepare::default() };
    let program = program.into();
    let template = TemplateSettings { program, arguments, prepare, ..TemplateSettings::default() };
    let settings = Settings {
        template,
        spec: Spec::default(),
        job: Bytes::new(),
        timeout: None,
        grace: Duration::ZERO,
        is_fresh: true,
    };
    let began = Instant::now();
    let supervisor = Supervisor::start(settings, is_wanted).map_err(EngineError::from)?;
    let ready_s = began.elapsed().as_secs_f64();
    let ground = supervisor.ground().map_err(EngineError::from)?;
    let mut worker = supervisor.worker(None).map_err(EngineError::from)?;
    if !worker.says_hello(HELLO) {
        let reason = format!("a worker was made, but has said nothing within {HELLO:?}");
        return Err(EngineError::from(SupervisorError::Fork(reason)).into());
    }
    Ok(Tried { ground, ready_s })
}
