//! Executions that ended with an error, a line each.

use serde_json::{Value, json};
use wtb_model::{BatchId, ExecutionRecord, ExecutionStatus};
use wtb_store::{ExecutionFilter, Page, Store, StoreError};

use super::short_execution;
use crate::text::{Style, Tone, one_line, plural};

/// How many failures are printed unless all are asked for.
const SHOWN_MAX: usize = 10;
/// How far the error stands in below its execution.
const INDENT: usize = 6;

/// Returns the executions of a batch that ended with an error, in the batch's order.
pub(crate) fn of_batch(
    store: &dyn Store,
    batch: &BatchId,
) -> Result<Vec<ExecutionRecord>, StoreError> {
    let filter = ExecutionFilter {
        batch: Some(batch.clone()),
        statuses: vec![ExecutionStatus::Failed, ExecutionStatus::TimedOut],
        ..ExecutionFilter::default()
    };
    store.executions(&filter, Page::ALL)
}

/// How failures are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailureText {
    /// Whether all of them are printed, with their tracebacks.
    pub(crate) verbose: bool,
    /// How many columns a line may take.
    pub(crate) width: usize,
    pub(crate) style: Style,
}

/// Returns failures as text: `FAIL  variant / case` with its id, and the error below it.
pub(crate) fn render(store: &dyn Store, failures: &[ExecutionRecord], how: FailureText) -> String {
    let shown = if how.verbose { failures.len() } else { failures.len().min(SHOWN_MAX) };
    let mut text = String::new();
    for execution in &failures[..shown] {
        let word = if execution.status == ExecutionStatus::TimedOut { "TIMEOUT" } else { "FAIL" };
        let id = short_execution(store, &execution.id);
        text.push_str(&format!(
            "{}  {}  {}\n",
            how.style.paint(Tone::Bad, word),
            cell_name(execution),
            how.style.paint(Tone::Faint, &id)
        ));
        let reason = reason(execution);
        text.push_str(&format!("      {}\n", one_line(&reason, how.width.saturating_sub(INDENT))));
        let traceback = execution.error.as_ref().and_then(|error| error.traceback.as_deref());
        if let Some(traceback) = traceback.filter(|_| how.verbose) {
            for line in traceback.trim_end().lines() {
                text.push_str(&format!("      | {line}\n"));
            }
        }
    }
    if shown < failures.len() {
        let more = plural((failures.len() - shown) as u64, "more failure");
        text.push_str(&format!("      and {more}; `--verbose` prints all\n"));
    }
    text
}

/// `variant / case`, with the repeat where it is not the first.
pub(crate) fn cell_name(execution: &ExecutionRecord) -> String {
    let repeat = match execution.repeat {
        0 => String::new(),
        repeat => format!(" #{}", repeat + 1),
    };
    format!("{} / {}{repeat}", execution.variant, execution.case_id)
}

/// `node "train": ValueError: bad`
pub(crate) fn reason(execution: &ExecutionRecord) -> String {
    match &execution.error {
        Some(error) => {
            let node = error.node.as_ref().map(|node| format!("node \"{node}\": "));
            format!("{}{}: {}", node.unwrap_or_default(), error.kind, error.message)
        }
        None if execution.status == ExecutionStatus::TimedOut => {
            "it outlived its deadline".to_owned()
        }
        None => "no error was recorded".to_owned(),
    }
}

/// Returns a failure as JSON.
pub(crate) fn json(execution: &ExecutionRecord) -> Value {
    json!({
        "execution": execution.id.known(),
        "variant": execution.variant,
        "case": execution.case_id,
        "repeat": execution.repeat,
        "status": execution.status,
        "attempts": execution.attempts,
        "dead_letter": execution.dead_letter,
        "error": execution.error,
    })
}
