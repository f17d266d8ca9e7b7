//! The `wtb` command: parsed and rendered in Rust, performed in Python where graphs are run.

use pyo3::prelude::*;
use wtb_cli::{
    CliError, DisplayOptions, ErrorKind, OutputOptions, Request, Step, Surroundings, Terminal,
};

use crate::engine::{EngineRef, batch_id, execution_id};
use crate::errors::{Result, invalid};

/// What a command line asks Python to perform.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct RequestRef(Request);

impl RequestRef {
    fn output(&self) -> &OutputOptions {
        self.0.output()
    }

    pub(crate) fn display_options(&self) -> DisplayOptions {
        self.output().into()
    }
}

#[pymethods]
impl RequestRef {
    /// The request as JSON: its `verb`, and everything settled.
    fn json(&self) -> Result<String> {
        serde_json::to_string(&self.0).map_err(|error| invalid(error.to_string()))
    }

    /// Prints how a batch came out and returns the exit code.
    fn conclude(&self, py: Python<'_>, engine: &EngineRef, batch: &str) -> Result<i32> {
        let batch = batch_id(batch)?;
        let store = engine.engine().store();
        Ok(py.detach(|| {
            on_terminal(|terminal, surroundings| {
                wtb_cli::conclude(terminal, surroundings, store.as_ref(), &batch, self.output())
            })
        }))
    }

    /// Prints an execution, its values decoded by Python, and returns the exit code; that of one that
    /// was gone on with says how it stands. It is named as the store keeps it.
    fn show(
        &self,
        py: Python<'_>,
        engine: &EngineRef,
        execution: &str,
        decoded: &str,
    ) -> Result<i32> {
        let execution = execution_id(execution)?;
        let decoded = serde_json::from_str(decoded).map_err(|error| invalid(error.to_string()))?;
        let store = engine.engine().store();
        Ok(py.detach(|| {
            on_terminal(|terminal, surroundings| {
                let output = self.output();
                let store = store.as_ref();
                let show = match self.0 {
                    Request::Show(_) => wtb_cli::render_execution,
                    _ => wtb_cli::conclude_execution,
                };
                show(terminal, surroundings, store, &execution, &decoded, output)
            })
        }))
    }

    /// Prints the document, as JSON text, that the request led to, and returns the exit code.
    fn render(&self, py: Python<'_>, engine: &EngineRef, document: &str) -> Result<i32> {
        let document =
            serde_json::from_str(document).map_err(|error| invalid(error.to_string()))?;
        let store = engine.engine().store();
        Ok(py.detach(|| {
            on_terminal(|terminal, _| wtb_cli::render(terminal, store.as_ref(), &self.0, &document))
        }))
    }

    /// Prints what `wtb doctor` has found, as JSON text, and returns the exit code.
    fn diagnose(&self, py: Python<'_>, found: &str) -> Result<i32> {
        let found = serde_json::from_str(found).map_err(|error| invalid(error.to_string()))?;
        Ok(py.detach(|| {
            on_terminal(|terminal, _| wtb_cli::conclude_doctor(terminal, &found, self.output()))
        }))
    }

    /// Prints an error as the command prints its own and returns the exit code; `kind` is `usage`,
    /// `selection` (nothing selected) or `internal`.
    fn report(&self, py: Python<'_>, kind: &str, message: &str) -> Result<i32> {
        let kind = match kind {
            "usage" => ErrorKind::Usage,
            "selection" => ErrorKind::NothingSelected,
            "internal" => ErrorKind::Internal,
            other => return Err(invalid(format!("`{other}` is no kind of error"))),
        };
        let error = CliError::new(kind, message);
        Ok(py
            .detach(|| on_terminal(|terminal, _| wtb_cli::report(terminal, &error, self.output()))))
    }
}

/// Performs a command line as far as it needs no Python: returns the exit code, or the request.
#[pyfunction]
pub(crate) fn start(
    py: Python<'_>,
    arguments: Vec<std::ffi::OsString>,
) -> PyResult<Bound<'_, PyAny>> {
    let step = py.detach(|| {
        on_terminal(|terminal, surroundings| wtb_cli::start(&arguments, surroundings, terminal))
    });
    match step {
        Step::Exit(code) => Ok(code.into_pyobject(py)?.into_any()),
        Step::Perform(request) => Ok(Bound::new(py, RequestRef(request))?.into_any()),
    }
}

/// Returns a difference of two executions, given as JSON text, as plain text of 80 columns.
#[pyfunction]
pub(crate) fn render_difference(document: &str) -> Result<String> {
    let document = serde_json::from_str(document).map_err(|error| invalid(error.to_string()))?;
    wtb_cli::render_difference(&document).map_err(|error| invalid(error.message))
}

fn on_terminal<T>(act: impl FnOnce(&mut Terminal<'_>, &Surroundings<'_>) -> T) -> T {
    let environment = |name: &str| std::env::var(name).ok();
    act(&mut Terminal::system(&environment), &Surroundings::system(&environment))
}
