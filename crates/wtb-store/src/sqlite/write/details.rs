//! What belongs to an execution beside its own row: nodes and scores.

use rusqlite::params;
use wtb_model::{AttemptOutcome, ExecutionId, NodeRecord, ScoreRecord};

use super::{Keyed, Transaction};
use crate::StoreError;
use crate::sqlite::codec::{encode_optional, encode_optional_json};

impl Transaction<'_> {
    /// Writes the nodes of an attempt, and the metrics that it logged in place of earlier ones.
    pub(super) fn write_details(
        &mut self,
        execution: i64,
        attempt: u32,
        outcome: &AttemptOutcome,
    ) -> Result<(), StoreError> {
        outcome
            .nodes
            .iter()
            .try_for_each(|node| self.write_node(execution, attempt, node))?;
        self.change(
            "DELETE FROM scores WHERE execution = ?1 AND source = ?2",
            params![execution, ScoreRecord::WORKFLOW],
            "replacing metrics",
        )?;
        outcome
            .metrics
            .iter()
            .try_for_each(|score| self.write_score(execution, score))
    }

    fn write_node(
        &mut self,
        execution: i64,
        attempt: u32,
        node: &NodeRecord,
    ) -> Result<(), StoreError> {
        self.check_objects([node.input.as_ref(), node.output.as_ref()])?;
        self.change(
            "INSERT INTO nodes (execution, attempt, position, node, step, status, calls, \
             started_at, duration_us, input, output, error, usage) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            params![
                execution,
                attempt,
                node.order,
                node.node,
                node.step,
                node.status.as_str(),
                node.calls,
                node.started_at.as_micros(),
                node.duration_us,
                encode_optional(node.input.as_ref()),
                encode_optional(node.output.as_ref()),
                encode_optional_json(node.error.as_ref())?,
                encode_optional_json(node.usage.as_ref())?,
            ],
            "writing a node",
        )
        .map(drop)
    }

    pub(super) fn put_scores(
        &self,
        execution: &ExecutionId,
        scores: &[ScoreRecord],
    ) -> Result<(), StoreError> {
        let key = self.key(Keyed::Execution, execution.as_str())?;
        scores
            .iter()
            .try_for_each(|score| self.write_score(key, score))?;
        let sql = "UPDATE executions SET settled = 1 WHERE key = ?1 AND settled = 0";
        self.change(sql, [key], "settling an execution").map(drop)
    }

    fn write_score(&self, execution: i64, score: &ScoreRecord) -> Result<(), StoreError> {
        // SQLite would turn NaN into NULL, which means something else.
        if let Some(value) = score.value.filter(|value| !value.is_finite()) {
            return Err(StoreError::Backend {
                doing: format!("writing score `{}`", score.name),
                reason: format!("{value} is not a finite number"),
            });
        }
        self.change(
            "INSERT OR REPLACE INTO scores \
             (execution, source, name, value, direction, reason, error) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                execution,
                score.source,
                score.name,
                score.value,
                score.direction.as_str(),
                score.reason,
                score.error,
            ],
            "writing a score",
        )
        .map(drop)
    }
}
