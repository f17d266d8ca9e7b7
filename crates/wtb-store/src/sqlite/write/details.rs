//! What belongs to an execution beside its own row: nodes and scores.

use std::collections::BTreeSet;

use rusqlite::params;
use wtb_model::{AttemptOutcome, ExecutionId, NodeRecord, ScoreRecord};

use super::Transaction;
use crate::StoreError;
use crate::codec::{encode_optional, encode_optional_json};

impl Transaction<'_> {
    /// Refuses an outcome that names objects which are not there.
    pub(super) fn check_outcome(&mut self, outcome: &AttemptOutcome) -> Result<(), StoreError> {
        self.check_objects(outcome.values())?;
        let mut nodes = outcome.nodes.iter();
        nodes.try_for_each(|node| self.check_objects([node.input.as_ref(), node.output.as_ref()]))
    }

    /// Writes the nodes of an attempt, and the metrics that it logged in place of earlier ones;
    /// the execution and the attempt are named by their keys.
    pub(super) fn write_details(
        &self,
        execution: i64,
        attempt: i64,
        outcome: &AttemptOutcome,
    ) -> Result<(), StoreError> {
        outcome.nodes.iter().try_for_each(|node| self.write_node(attempt, node))?;
        self.change(
            "DELETE FROM scores WHERE execution = ?1 AND source = ?2",
            params![execution, ScoreRecord::WORKFLOW],
            "replacing metrics",
        )?;
        self.write_scores(execution, &outcome.metrics)
    }

    fn write_node(&self, attempt: i64, node: &NodeRecord) -> Result<(), StoreError> {
        self.change(
            "INSERT INTO nodes (attempt, position, node, step, status, calls, \
             started_at, duration_us, input, output, error, usage) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            params![
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
        let key = self.live(execution)?.key;
        let sources: BTreeSet<_> = scores.iter().map(|score| score.source.as_str()).collect();
        for source in sources {
            let sql = "DELETE FROM scores WHERE execution = ?1 AND source = ?2";
            self.change(sql, params![key, source], "replacing scores")?;
        }
        self.write_scores(key, scores)?;
        let sql = "UPDATE executions SET settled = 1 WHERE key = ?1 AND settled = 0";
        self.change(sql, [key], "settling an execution").map(drop)
    }

    fn write_scores(&self, execution: i64, scores: &[ScoreRecord]) -> Result<(), StoreError> {
        let mut places = (0_i64..).zip(scores);
        places.try_for_each(|(position, score)| self.write_score(execution, position, score))
    }

    fn write_score(
        &self,
        execution: i64,
        position: i64,
        score: &ScoreRecord,
    ) -> Result<(), StoreError> {
        // SQLite would turn NaN into NULL, which means something else.
        if let Some(value) = score.value.filter(|value| !value.is_finite()) {
            return Err(StoreError::Backend {
                doing: format!("writing score `{}`", score.name),
                reason: format!("{value} is not a finite number"),
            });
        }
        self.change(
            "INSERT OR REPLACE INTO scores \
             (execution, source, name, position, value, direction, version, reason, error) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                execution,
                score.source,
                score.name,
                position,
                score.value,
                score.direction.as_str(),
                score.version,
                score.reason,
                score.error,
            ],
            "writing a score",
        )
        .map(drop)
    }
}
