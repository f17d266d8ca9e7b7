//! Executions that have ended go on: back to the queue, or to stand elsewhere in their history. A cell
//! that is queued again replaces what it had gone on to by itself.

use std::collections::BTreeSet;

use wtb_model::{ExecutionId, ExecutionStatus, Timestamp};
use wtb_store::StoreError;

use super::Group;
use super::executions::{Execution, Outcome};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::Value;

impl Group<'_> {
    pub(super) fn requeue_execution(
        &mut self,
        id: &ExecutionId,
        from_head: bool,
    ) -> Result<(), StoreError> {
        let (status, what) = (ExecutionStatus::Queued, format!("execution {id}"));
        let (key, execution) = self.executions.find(id)?;
        execution.status.check_idle(status, &what)?;
        let mut execution =
            Execution { status, from_head, dead_letter: false, settled: false, ..*execution };
        let continued = self.executions.find_any(&id.continuation());
        if let Some((of, continued)) = continued.filter(|(of, _)| *of != key) {
            continued.status.check_gives_way(status, &what)?;
            // No number is used twice.
            execution.lineages = execution.lineages.max(continued.lineages);
            execution.attempts = execution.attempts.max(continued.attempts);
            execution.token = execution.token.max(continued.token);
            let continued = *continued;
            self.executions.remove(of, continued);
        }
        self.executions.set(key, execution);
        self.details.drop_scores(key);
        Ok(())
    }

    pub(super) fn place_execution(
        &mut self,
        id: &ExecutionId,
        lineages: u32,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let status = ExecutionStatus::Paused;
        let (key, execution) = self.executions.find(id)?;
        execution.status.check_idle(status, format_args!("execution {id}"))?;
        let execution = Execution {
            status,
            lineages: lineages.into(),
            from_head: true,
            dead_letter: false,
            settled: true,
            finished_at: Some(at.as_micros()),
            outcome: Outcome::Dropped,
            ..*execution
        };
        self.executions.set(key, execution);
        self.details.drop_scores(key);
        Ok(())
    }
}

/// Removes executions with all that belongs to them, and returns how many rows may have named
/// objects. Keys of those that never came to be do no harm.
pub(super) fn remove(
    connection: &mut Connection,
    executions: &BTreeSet<i64>,
) -> Result<u64, Failure> {
    if executions.is_empty() {
        return Ok(0);
    }
    let doing = "replacing what a cell went on to";
    let keys = [Value::ints(executions.iter().copied())];
    let mut dropped = 0;
    for (table, column, names_objects) in [
        ("scores", "execution", false),
        ("nodes", "execution", true),
        ("attempts", "execution", true),
        ("executions", "key", true),
    ] {
        let sql = format!("DELETE FROM @.{table} WHERE {column} = ANY($1)");
        let rows = connection.execute(&sql, &keys, doing)?;
        dropped += if names_objects { rows } else { 0 };
    }
    Ok(dropped)
}
