//! `wtb resume`: finds the batch; taking it up is Python's business.

use wtb_model::{BatchId, BatchRecord, BatchStatus, SessionId};
use wtb_store::{BatchFilter, Page, Store};

use super::{LATEST, find_batch};
use crate::error::{CliError, ErrorKind};
use crate::view::batch::Viewer;
use crate::view::short_batch;

/// Finds the batch that `text` names; `latest` is the newest one that has not ended and that
/// nobody drives. One that another live program drives is refused.
pub(crate) fn find(viewer: &Viewer<'_>, text: &str) -> Result<BatchId, CliError> {
    let batch = if text == LATEST {
        newest_unfinished(viewer)?
    } else {
        viewer.store.batch(&find_batch(viewer.store, text)?)?.batch
    };
    if batch.status.is_final() || viewer.is_stopped(&batch) {
        return Ok(batch.id);
    }
    let driver = driver_of(viewer.store, batch.session.as_ref())?;
    let id = batch.id;
    let message = format!("batch {id} is being driven by another program right now ({driver})");
    Err(CliError::usage(message).hint(format!(
        "`wtb show {}` shows how far it is; stop that program to resume the batch here",
        short_batch(viewer.store, &id)
    )))
}

fn driver_of(store: &dyn Store, session: Option<&SessionId>) -> Result<String, CliError> {
    let Some(session) = session else { return Ok("unknown".to_owned()) };
    let record = store.session(session)?;
    Ok(format!("process {} on {}", record.process, record.host))
}

/// Whether resuming would run anything.
pub(crate) fn is_unfinished(store: &dyn Store, id: &BatchId) -> Result<bool, CliError> {
    let summary = store.batch(id)?;
    Ok(!summary.batch.status.is_final() || summary.counts.outstanding() > 0)
}

/// The newest batch that nobody drives, else the newest that somebody does.
fn newest_unfinished(viewer: &Viewer<'_>) -> Result<BatchRecord, CliError> {
    let mut found = Vec::new();
    for status in BatchStatus::ALL.iter().filter(|status| !status.is_final()) {
        let filter = BatchFilter { status: Some(*status), ..BatchFilter::default() };
        found.extend(viewer.store.batches(&filter, Page::ALL)?);
    }
    found
        .into_iter()
        .map(|summary| summary.batch)
        .max_by_key(|batch| (viewer.is_stopped(batch), batch.created_at))
        .ok_or_else(|| {
            CliError::new(ErrorKind::NothingSelected, "there is no unfinished batch to resume")
                .hint("`wtb list` prints the batches of this store")
        })
}
