//! The end of `wtb run` and `wtb resume`: comparison, summary, failures, and the exit code.

use wtb_engine::{CompareRequest, compare_batches};
use wtb_model::{BatchId, EventBody, ExecutionId, ExecutionStatus};
use wtb_store::{ExecutionFilter, JournalFilter, Page, Store};

use crate::error::CliError;
use crate::request::OutputOptions;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;
use crate::text::{duration, width};
use crate::verbs::show::batch_json;
use crate::verdict::Verdict;
use crate::view::batch::outcome_words;
use crate::view::failure::{self, FailureText};
use crate::view::{comparison, short_batch, short_execution};

/// Prints how a batch came out and returns the exit code, both from one verdict.
///
/// The comparison goes to stdout; with `--json` it is one document, `show --json`'s with `verdict`,
/// `message` and `exit_code` added. Summary, failures and what to do next go to stderr, last.
pub fn conclude(
    terminal: &mut Terminal<'_>,
    surroundings: &Surroundings<'_>,
    store: &dyn Store,
    batch: &BatchId,
    output: &OutputOptions,
) -> i32 {
    terminal.configure(output.color, output.no_color, output.quiet);
    terminal.remember_store(output.store_flag.as_deref());
    match try_conclude(terminal, surroundings, store, batch, output) {
        Ok(code) => code,
        Err(error) => terminal.fail(&error),
    }
}

fn try_conclude(
    terminal: &mut Terminal<'_>,
    surroundings: &Surroundings<'_>,
    store: &dyn Store,
    id: &BatchId,
    output: &OutputOptions,
) -> Result<i32, CliError> {
    let summary = store.batch(id)?;
    let verdict = Verdict::of(summary.batch.status, &summary.counts, output.max_failures);
    let request = CompareRequest { metric: output.metric.clone(), ..CompareRequest::default() };
    let compared = compare_batches(store, std::slice::from_ref(id), &request)?;
    if output.json {
        let mut document = batch_json(store, id, &compared, surroundings)?;
        document["verdict"] = verdict.word().into();
        document["message"] = verdict.sentence().into();
        document["exit_code"] = verdict.exit_code().into();
        terminal.json(&document)?;
    } else {
        let (columns, style) = (terminal.width(), terminal.style());
        terminal.data(&comparison::render(&compared, columns, style))?;
    }
    let style = terminal.talk_style();
    let started = summary.batch.started_at;
    let took = summary.batch.finished_at.zip(started).map(|(end, start)| end.micros_since(start));
    let time = took.map(|micros| format!(" [{}]", duration(micros))).unwrap_or_default();
    let line = format!("Summary{time} {}", outcome_words(&summary.counts));
    terminal.talk(&format!("{}\n{line}\n", "-".repeat(width(&line).min(terminal.width()))));
    let failures = failure::of_batch(store, id)?;
    let how = FailureText { verbose: output.verbose, width: terminal.width(), style };
    terminal.talk(&failure::render(store, &failures, how));
    let mut sentence = verdict.sentence();
    if let Some(reason) = given_up_reason(store, id, &verdict)? {
        sentence.push_str(&format!(" ({reason})"));
    }
    let batch = short_batch(store, id);
    terminal.talk(&format!("{}\n\n", style.paint(verdict.tone(), &sentence)));
    if matches!(verdict, Verdict::Interrupted { .. }) {
        let resume = terminal.advise(&format!("resume {batch}"));
        terminal.talk(&format!("hint: {resume} runs what is left\n"));
    }
    if let Some(first) = first_waiting(store, id, &verdict)? {
        let first = short_execution(store, &first);
        let show = terminal.advise(&format!("show {first}"));
        terminal.talk(&format!("hint: {show} shows the first that waits, and how to go on\n"));
    }
    if let Some(first) = failures.first() {
        let first = short_execution(store, &first.id);
        let show = terminal.advise(&format!("show {first}"));
        terminal.talk(&format!("hint: {show} shows the first failure in full\n"));
    }
    let show = terminal.advise(&format!("show {batch}"));
    terminal.talk(&format!("hint: {show} shows this batch again\n"));
    Ok(verdict.exit_code())
}

/// The first execution that awaits an answer or stands still, where that is what came out.
fn first_waiting(
    store: &dyn Store,
    id: &BatchId,
    verdict: &Verdict,
) -> Result<Option<ExecutionId>, CliError> {
    if !matches!(verdict, Verdict::Waiting { .. }) {
        return Ok(None);
    }
    let filter = ExecutionFilter {
        batch: Some(id.clone()),
        statuses: vec![ExecutionStatus::Interrupted, ExecutionStatus::Paused],
        ..ExecutionFilter::default()
    };
    Ok(store.executions(&filter, Page::first(1))?.pop().map(|first| first.id))
}

/// Why the batch was given up, as the journal has it.
fn given_up_reason(
    store: &dyn Store,
    id: &BatchId,
    verdict: &Verdict,
) -> Result<Option<String>, CliError> {
    if !matches!(verdict, Verdict::GivenUp { .. }) {
        return Ok(None);
    }
    let kinds = vec!["batch.failed".to_owned()];
    let filter = JournalFilter { batch: Some(id.clone()), kinds, ..JournalFilter::default() };
    let last = store.journal(&filter, 0, u64::from(u32::MAX))?.pop();
    Ok(last.and_then(|entry| match entry.event.body {
        EventBody::BatchFailed { reason, .. } => Some(reason),
        _ => None,
    }))
}
