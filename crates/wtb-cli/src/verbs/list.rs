//! `wtb list`: batches or executions, newest first.

use serde_json::Value;
use wtb_model::{BatchStatus, ExecutionStatus};
use wtb_store::{BatchFilter, BatchSummary, ExecutionFilter, Page, Store};

use super::find_batch;
use crate::arguments::{ListArgs, Listing};
use crate::error::CliError;
use crate::near::suggestion;
use crate::surroundings::Surroundings;
use crate::terminal::Terminal;
use crate::text::plural;
use crate::view::batch::{STOPPED, Viewer};
use crate::view::execution;

/// A filter taken apart: `key=value` or `key~value`.
struct Condition<'a> {
    key: &'a str,
    operator: char,
    value: &'a str,
}

/// Lists what is asked for.
pub(crate) fn list(
    args: &ListArgs,
    json: bool,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    match args.what {
        Listing::Batches => batches(args, json, store, surroundings, terminal),
        Listing::Executions => executions(args, json, store, surroundings, terminal),
    }
}

fn batches(
    args: &ListArgs,
    json: bool,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let viewer = Viewer::new(store, surroundings.now);
    let found = find_batches(args, &viewer)?;
    if json {
        return terminal.json(&found.iter().map(|summary| viewer.json(summary)).collect());
    }
    if found.is_empty() {
        terminal.talk(if args.filters.is_empty() {
            "There is no batch in this store yet.\n"
        } else {
            "No batch fits.\n"
        });
        return Ok(());
    }
    let (width, style) = (terminal.width(), terminal.style());
    terminal.data(&viewer.table(&found).render(width, style))?;
    if let Some(stopped) = found.iter().find(|summary| viewer.is_stopped(&summary.batch)) {
        let id = crate::view::short_batch(store, &stopped.batch.id);
        let resume = terminal.advise(&format!("resume {id}"));
        terminal.talk(&format!("\nhint: {resume} takes a stopped batch up again\n"));
    }
    note_limit(found.len(), args, terminal);
    Ok(())
}

fn find_batches(args: &ListArgs, viewer: &Viewer<'_>) -> Result<Vec<BatchSummary>, CliError> {
    let mut filter = BatchFilter::default();
    let mut wants_stopped = false;
    for condition in conditions(&args.filters)? {
        let value = condition.value.to_owned();
        match (condition.key, condition.operator) {
            ("status", '=') if value == STOPPED => wants_stopped = true,
            ("status", '=') => filter.status = Some(batch_status(&value)?),
            ("workflow", '=') => filter.workflow = Some(value),
            ("name", '~') => filter.name_contains = Some(value),
            _ => return Err(unknown(&condition, &["status=", "workflow=", "name~"])),
        }
    }
    if !wants_stopped {
        return Ok(viewer.store.batches(&filter, Page::first(args.limit))?);
    }
    // Whether a batch is stopped is no column: look through those that have not ended.
    let mut found = Vec::new();
    for status in BatchStatus::ALL.iter().filter(|status| !status.is_final()) {
        let filter = BatchFilter { status: Some(*status), ..filter.clone() };
        found.extend(viewer.store.batches(&filter, Page::ALL)?);
    }
    found.retain(|summary| viewer.is_stopped(&summary.batch));
    found.sort_by_key(|summary| std::cmp::Reverse(summary.batch.created_at));
    found.truncate(usize::try_from(args.limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn executions(
    args: &ListArgs,
    json: bool,
    store: &dyn Store,
    surroundings: &Surroundings<'_>,
    terminal: &mut Terminal<'_>,
) -> Result<(), CliError> {
    let filter = execution_filter(args, store)?;
    let found = store.executions(&filter, Page::first(args.limit))?;
    if json {
        let document: Value = found.iter().map(execution::json).collect();
        return terminal.json(&document);
    }
    if found.is_empty() {
        terminal.talk("No execution fits.\n");
        return Ok(());
    }
    let (width, style) = (terminal.width(), terminal.style());
    terminal.data(&execution::table(store, &found, surroundings.now).render(width, style))?;
    note_limit(found.len(), args, terminal);
    Ok(())
}

fn execution_filter(args: &ListArgs, store: &dyn Store) -> Result<ExecutionFilter, CliError> {
    let known = ["batch=", "status=", "variant=", "case=", "workflow=", "dead_letter=true"];
    let mut filter = ExecutionFilter::default();
    for condition in conditions(&args.filters)? {
        let value = condition.value.to_owned();
        match (condition.key, condition.operator) {
            ("batch", '=') => filter.batch = Some(find_batch(store, &value)?),
            ("status", '=') => filter.statuses.push(execution_status(&value)?),
            ("variant", '=') => filter.variant = Some(value),
            ("case", '=') => filter.case_id = Some(value),
            ("workflow", '=') => filter.workflow = Some(value),
            ("dead_letter", '=') if value == "true" => filter.dead_letter = true,
            _ => return Err(unknown(&condition, &known)),
        }
    }
    Ok(filter)
}

fn conditions(filters: &[String]) -> Result<Vec<Condition<'_>>, CliError> {
    let take_apart = |text: &'_ String| -> Option<(usize, char)> {
        text.char_indices().find(|(_, letter)| *letter == '=' || *letter == '~')
    };
    filters
        .iter()
        .map(|text| match take_apart(text) {
            Some((at, operator)) => {
                Ok(Condition { key: &text[..at], operator, value: &text[at + 1..] })
            }
            None => Err(CliError::usage(format!("the filter `{text}` is not `KEY=VALUE`"))),
        })
        .collect()
}

fn unknown(condition: &Condition<'_>, known: &[&str]) -> CliError {
    let Condition { key, operator, value } = condition;
    CliError::usage(format!("there is no filter `{key}{operator}{value}`"))
        .hint(suggestion(&format!("{key}{operator}"), known))
}

fn batch_status(text: &str) -> Result<BatchStatus, CliError> {
    let mut known: Vec<_> = BatchStatus::ALL.iter().map(|status| status.as_str()).collect();
    known.push(STOPPED);
    BatchStatus::parse(text).ok_or_else(|| no_status("batch", text, &known))
}

fn execution_status(text: &str) -> Result<ExecutionStatus, CliError> {
    let known: Vec<_> = ExecutionStatus::ALL.iter().map(|status| status.as_str()).collect();
    ExecutionStatus::parse(text).ok_or_else(|| no_status("execution", text, &known))
}

fn no_status(what: &str, text: &str, known: &[&str]) -> CliError {
    let article = if what.starts_with('e') { "an" } else { "a" };
    CliError::usage(format!("{article} {what} is never `{text}`")).hint(suggestion(text, known))
}

fn note_limit(found: usize, args: &ListArgs, terminal: &mut Terminal<'_>) {
    if found as u64 == args.limit {
        let shown = plural(args.limit, "row");
        terminal.talk(&format!("({shown} at the most; `--limit N` shows more)\n"));
    }
}
