//! Errors of the engine as the exceptions of `wtb.errors`.

use pyo3::prelude::*;
use pyo3::types::PyType;
use wtb_engine::EngineError;
use wtb_store::StoreError;

/// An engine error on its way to Python.
pub(crate) struct Failure(EngineError);

pub(crate) type Result<T> = std::result::Result<T, Failure>;

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        Self(error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error.into())
    }
}

impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        raise(class_of(&failure.0), &failure.0.to_string())
    }
}

/// The caller passed something that is not what the package itself would pass.
pub(crate) fn invalid(text: impl Into<String>) -> Failure {
    Failure(EngineError::Invalid(text.into()))
}

fn class_of(error: &EngineError) -> &'static str {
    match error {
        EngineError::Store(error) => match error {
            StoreError::NotFound { .. } => "NotFoundError",
            StoreError::Ambiguous { .. } => "AmbiguousIdError",
            StoreError::Newer { .. } => "StoreVersionError",
            StoreError::Illegal(_) => "InvalidTransitionError",
            StoreError::NotOwner { .. } => "BatchBusyError",
            _ => "StoreError",
        },
        EngineError::Illegal(_) => "InvalidTransitionError",
        EngineError::Busy { .. } => "BatchBusyError",
        EngineError::Invalid(_) => "ConfigurationError",
        EngineError::Forked { .. } => "ForkedProcessError",
        EngineError::Entropy(_) | EngineError::Closed => "StoreError",
    }
}

fn raise(class: &str, message: &str) -> PyErr {
    Python::attach(|py| {
        let found = py
            .import("wtb.errors")
            .and_then(|module| module.getattr(class));
        match found.and_then(|found| found.cast_into::<PyType>().map_err(PyErr::from)) {
            Ok(class) => PyErr::from_type(class, (message.to_owned(),)),
            Err(error) => error,
        }
    })
}
