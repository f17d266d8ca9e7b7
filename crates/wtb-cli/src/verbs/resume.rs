//! `wtb resume`: finds what is to be taken up; doing that is Python's business.

use wtb_model::{BatchId, BatchRecord, BatchStatus, ExecutionId, SessionId};
use wtb_store::{BatchFilter, Page, Store};

use super::show::{Target, find as find_target};
use super::{LATEST, find_batch};
use crate::arguments::{OutcomeArgs, ResumeArgs};
use crate::error::{CliError, ErrorKind};
use crate::view::batch::Viewer;
use crate::view::short_batch;

/// Finds what `wtb resume` names: an execution, or a batch that can be resumed.
pub(crate) fn find(viewer: &Viewer<'_>, args: &ResumeArgs) -> Result<Target, CliError> {
    let target = match args.id.as_str() {
        LATEST => Target::Batch(find_unfinished(viewer, LATEST)?),
        text => match find_target(viewer.store, text)? {
            Target::Batch(batch) => Target::Batch(find_unfinished(viewer, batch.as_str())?),
            Target::Execution(execution) => Target::Execution(execution.known()),
        },
    };
    match &target {
        Target::Batch(batch) => refuse_for_batch(args, batch)?,
        Target::Execution(execution) => refuse_for_execution(&args.outcome, execution)?,
    }
    Ok(target)
}

fn refuse_for_batch(args: &ResumeArgs, batch: &BatchId) -> Result<(), CliError> {
    let given = [("--update", args.update.is_some()), ("--answer", !args.answers.is_empty())];
    refuse(&given, &format!("{batch} is a batch"), "is for executions: `wtb resume e_...`")
}

fn refuse_for_execution(args: &OutcomeArgs, execution: &ExecutionId) -> Result<(), CliError> {
    let given = [
        ("--metric", args.metric.is_some()),
        ("--max-failures", args.max_failures.is_some()),
        ("--progress", args.progress.is_some()),
    ];
    refuse(&given, &format!("{execution} is an execution"), "is for batches")
}

fn refuse(given: &[(&str, bool)], what: &str, whose: &str) -> Result<(), CliError> {
    match given.iter().find(|(_, is_given)| *is_given) {
        Some((flag, _)) => Err(CliError::usage(format!("{what}, and `{flag}` {whose}"))),
        None => Ok(()),
    }
}

/// Finds the batch that `text` names; `latest` is the newest one that has not ended and that
/// nobody drives. One that another live program drives is refused.
fn find_unfinished(viewer: &Viewer<'_>, text: &str) -> Result<BatchId, CliError> {
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
                .hint("`wtb resume e_...` goes on with an execution that is paused or asks")
        })
}
