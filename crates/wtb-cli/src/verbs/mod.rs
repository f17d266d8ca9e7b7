//! What each verb does. Those that run graphs end in a request to Python.

pub(crate) mod compare;
pub(crate) mod events;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod resume;
pub(crate) mod show;

use wtb_model::{BatchId, ExecutionId};
use wtb_store::{Store, StoreError};

use crate::error::{CliError, ErrorKind};

/// The id that stands for the newest thing.
pub(crate) const LATEST: &str = "latest";

/// Finds a batch by id, prefix or `latest`.
pub(crate) fn find_batch(store: &dyn Store, text: &str) -> Result<BatchId, CliError> {
    store.find_batch(text).map_err(|error| nothing_yet(error, text, "batch"))
}

/// Finds an execution by id, prefix or `latest`.
pub(crate) fn find_execution(store: &dyn Store, text: &str) -> Result<ExecutionId, CliError> {
    store.find_execution(text).map_err(|error| nothing_yet(error, text, "execution"))
}

/// `latest` finds nothing only where there is nothing.
fn nothing_yet(error: StoreError, text: &str, what: &str) -> CliError {
    if matches!(error, StoreError::NotFound { .. }) && text == LATEST {
        let message = format!("there is no {what} in this store yet");
        return CliError::new(ErrorKind::NothingSelected, message).hint("`wtb run` runs a batch");
    }
    error.into()
}
