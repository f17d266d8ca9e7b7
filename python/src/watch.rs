//! Live progress of a batch on stderr.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use wtb_cli::{Display, DisplayOptions};

use crate::active::ActiveBatchRef;
use crate::command::RequestRef;

/// Shows the progress of one batch.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct DisplayRef(Mutex<Display>);

#[pymethods]
impl DisplayRef {
    /// Makes a display as a command's request asks for it, or with the defaults.
    #[new]
    #[pyo3(signature = (request=None))]
    fn new(request: Option<&RequestRef>) -> Self {
        let options = request.map_or_else(DisplayOptions::default, RequestRef::display_options);
        Self(Mutex::new(Display::new(options)))
    }

    fn update(&self, py: Python<'_>, active: &ActiveBatchRef) {
        py.detach(|| {
            let progress = active.active().progress();
            self.0.lock().unwrap_or_else(PoisonError::into_inner).update(&progress);
        });
    }

    fn note(&self, py: Python<'_>, text: &str) {
        py.detach(|| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).note(text);
        });
    }

    fn finish(&self, py: Python<'_>) {
        py.detach(|| {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).finish();
        });
    }
}
