//! Errors of the engine as the exceptions of `wtb.errors`.

use pyo3::prelude::*;
use pyo3::types::PyType;
use wtb_engine::EngineError;
use wtb_store::StoreError;

/// An engine error on its way to Python.
pub(crate) enum Failure {
    /// As the engine says it.
    Engine(EngineError),
    /// A state machine refused a request.
    Refused(String),
    /// As Python says it.
    Python(PyErr),
}

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Engine(error.into())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Engine(error) => raise(class_of(&error), &error.to_string()),
            Failure::Refused(text) => raise("InvalidTransitionError", &text),
            Failure::Python(error) => error,
        }
    }
}

/// The caller passed something that is not what the package itself would pass.
pub(crate) fn invalid(text: impl Into<String>) -> Failure {
    Failure::Engine(EngineError::Invalid(text.into()))
}

/// What a request to a batch met: that it cannot go there from where it stands is no error of
/// configuration.
pub(crate) fn request(error: EngineError) -> Failure {
    match error {
        EngineError::Invalid(text) => Failure::Refused(text),
        other => Failure::Engine(other),
    }
}

fn class_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Store(error) => match error {
            StoreError::NotFound { .. } => "NotFoundError",
            StoreError::Ambiguous { .. } => "AmbiguousIdError",
            StoreError::Newer { .. } => "StoreVersionError",
            StoreError::Illegal(_) | StoreError::Moved { .. } => "InvalidTransitionError",
            StoreError::NotOwner { .. } => "BatchBusyError",
            _ => "StoreError",
        },
        EngineError::Illegal(_)
        | EngineError::UnderWay { .. }
        | EngineError::StandsNowhere { .. }
        | EngineError::AtItsEnd { .. }
        | EngineError::InBatch { .. }
        | EngineError::NoCheckpoints { .. } => "InvalidTransitionError",
        EngineError::Busy { .. } => "BatchBusyError",
        EngineError::Invalid(_) | EngineError::Objective(_) => "ConfigurationError",
        EngineError::Forked { .. } => "ForkedProcessError",
        EngineError::Workers(_) => "WorkerError",
        #[cfg(unix)]
        EngineError::Workspace(_) => "WorkspaceError",
        EngineError::Entropy(_) | EngineError::Closed => "StoreError",
    }
}

fn raise(class: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let found = py.import("wtb.errors").and_then(|module| module.getattr(class));
        match found.and_then(|found| found.cast_into::<PyType>().map_err(PyErr::from)) {
            Ok(class) => PyErr::from_type(class, (message.to_owned(),)),
            Err(error) => error,
        }
    })
}
