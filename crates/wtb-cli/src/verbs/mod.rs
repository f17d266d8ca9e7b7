//! What each verb does. Those that run graphs end in a request to Python.

pub(crate) mod compare;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod gate;
pub(crate) mod gc;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod migrate;
pub(crate) mod resume;
pub(crate) mod score;
pub(crate) mod share;
pub(crate) mod show;

use wtb_engine::comparison::Comparison;
use wtb_model::{BatchId, ExecutionId};
use wtb_store::{Store, StoreError};

use crate::error::{CliError, ErrorKind};
use crate::near::suggestion;

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

/// Refuses a primary metric that the command line names and that nothing was scored by, unless there
/// is no score at all: then the comparison says so.
fn check_metric(asked: Option<&str>, compared: &Comparison) -> Result<(), CliError> {
    let Some(asked) = asked else { return Ok(()) };
    let names = compared.metrics.iter().map(|(name, _)| name.as_str());
    let others: Vec<_> = names.filter(|name| *name != asked).collect();
    if others.is_empty() || compared.variants.iter().any(|line| line.mean.is_some()) {
        return Ok(());
    }
    Err(CliError::usage(format!("no execution has a score `{asked}`"))
        .hint(suggestion(asked, &others)))
}

/// `latest` finds nothing only where there is nothing.
fn nothing_yet(error: StoreError, text: &str, what: &str) -> CliError {
    if matches!(error, StoreError::NotFound { .. }) && text == LATEST {
        let message = format!("there is no {what} in this store yet");
        return CliError::new(ErrorKind::NothingSelected, message).hint("`wtb run` runs a batch");
    }
    error.into()
}
