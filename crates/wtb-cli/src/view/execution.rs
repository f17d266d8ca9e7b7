//! An execution: its line in a listing, its JSON.

use serde_json::{Value, json};
use wtb_model::{ExecutionRecord, Timestamp};
use wtb_store::Store;

use super::{json_seconds, json_time, short_batch, short_execution};
use crate::text::{Column, Table, Tone, age, duration};

/// Returns executions as a table.
pub(crate) fn table(store: &dyn Store, executions: &[ExecutionRecord], now: Timestamp) -> Table {
    let mut table = Table::new(vec![
        Column::left("id"),
        Column::left("batch").shrinking(),
        Column::left("variant").shrinking(),
        Column::left("case").shrinking(),
        Column::left("status"),
        Column::right("tries"),
        Column::right("took"),
        Column::right("created"),
    ]);
    for execution in executions {
        let repeat = match execution.repeat {
            0 => String::new(),
            repeat => format!(" #{}", repeat + 1),
        };
        // What has its case of a batch without being a cell of it stands beside it.
        let batch = match (&execution.batch, &execution.origin) {
            (Some(batch), _) => Some(short_batch(store, batch)),
            (None, Some(origin)) => Some(format!("beside {}", short_batch(store, origin))),
            (None, None) => None,
        };
        let cells = vec![
            short_execution(store, &execution.id),
            batch.unwrap_or_else(|| "-".to_owned()),
            execution.variant.clone(),
            format!("{}{repeat}", execution.case_id),
            execution.status.to_string(),
            execution.attempts.to_string(),
            execution.duration_us.map_or_else(|| "-".to_owned(), duration),
            age(execution.created_at, now),
        ];
        table.row(cells, execution.status.is_error().then_some(Tone::Bad));
    }
    table
}

/// Returns an execution as JSON, without what belongs to it.
pub(crate) fn json(execution: &ExecutionRecord) -> Value {
    json!({
        "id": execution.id.known(),
        "batch": if execution.id.is_continuation() { &execution.origin } else { &execution.batch },
        "origin": execution.origin,
        "parent": execution.parent,
        "thread": execution.thread(),
        "lineages": execution.lineages,
        "workflow": execution.workflow,
        "variant": execution.variant,
        "case": execution.case_id,
        "repeat": execution.repeat,
        "seed": execution.seed,
        "status": execution.status,
        "attempts": execution.attempts,
        "dead_letter": execution.dead_letter,
        "created_at": json_time(Some(execution.created_at)),
        "started_at": json_time(execution.started_at),
        "finished_at": json_time(execution.finished_at),
        "duration_s": json_seconds(execution.duration_us),
        "error": execution.error,
        "usage": execution.usage,
        "warnings": execution.warnings,
    })
}
