//! What belongs to an execution beside its own row: nodes and scores.

use std::collections::{BTreeMap, BTreeSet};

use wtb_model::{AttemptOutcome, ExecutionId, NodeRecord, ScoreRecord};
use wtb_store::StoreError;
use wtb_store::codec::{encode_optional, encode_optional_json};

use super::Group;
use super::staged::{Added, Staged};
use crate::bulk::{Kind, Table};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::{Value, integer};

const NODES: Table<13> = Table {
    name: "nodes",
    what: "a node",
    columns: [
        ("execution", Kind::Int),
        ("attempt", Kind::Int),
        ("position", Kind::Int),
        ("node", Kind::Text),
        ("step", Kind::Int),
        ("status", Kind::Text),
        ("calls", Kind::Int),
        ("started_at", Kind::Int),
        ("duration_us", Kind::Int),
        ("input", Kind::Bytes),
        ("output", Kind::Bytes),
        ("error", Kind::Text),
        ("usage", Kind::Text),
    ],
};

const SCORES: Table<9> = Table {
    name: "scores",
    what: "a score",
    columns: [
        ("execution", Kind::Int),
        ("source", Kind::Text),
        ("name", Kind::Text),
        ("position", Kind::Int),
        ("value", Kind::Float),
        ("direction", Kind::Text),
        ("version", Kind::Text),
        ("reason", Kind::Text),
        ("error", Kind::Text),
    ],
};

const DROPPED: Table<1> =
    Table { name: "scores", what: "dropped scores", columns: [("execution", Kind::Int)] };

const REPLACED: Table<2> = Table {
    name: "scores",
    what: "replaced scores",
    columns: [("execution", Kind::Int), ("source", Kind::Text)],
};

/// What becomes of the scores of an execution.
#[derive(Debug, Clone, Default)]
struct Scores<'group> {
    /// All that were there before are dropped.
    drop_all: bool,
    /// Those of these sources are.
    drop_of: BTreeSet<&'group str>,
    /// What is written then, by source and name, each with its place.
    put: BTreeMap<(&'group str, &'group str), (i64, &'group ScoreRecord)>,
}

/// The nodes and scores that a group writes.
#[derive(Debug, Default)]
pub(super) struct Details<'group> {
    /// Nodes with the execution and the number of the attempt that they belong to.
    nodes: Added<((i64, i64), &'group NodeRecord)>,
    scores: Staged<i64, Scores<'group>>,
}

impl<'group> Details<'group> {
    /// Adds the nodes of an attempt, and the metrics that it logged in place of earlier ones.
    pub(super) fn end_attempt(
        &mut self,
        attempt: (i64, i64),
        outcome: &'group AttemptOutcome,
    ) -> Result<(), StoreError> {
        for node in &outcome.nodes {
            integer(node.duration_us, "a duration")?;
            self.nodes.push((attempt, node));
        }
        integer(outcome.duration_us, "a duration")?;
        self.replace(attempt.0, [ScoreRecord::WORKFLOW], &outcome.metrics)
    }

    /// Drops all scores of an execution.
    pub(super) fn drop_scores(&mut self, execution: i64) {
        self.scores.set(execution, Scores { drop_all: true, ..Scores::default() });
    }

    fn replace(
        &mut self,
        execution: i64,
        sources: impl IntoIterator<Item = &'group str>,
        scores: &'group [ScoreRecord],
    ) -> Result<(), StoreError> {
        let mut changed = self.scores.get(&execution).cloned().unwrap_or_default();
        for source in sources {
            changed.put.retain(|(of, _), _| *of != source);
            changed.drop_of.insert(source);
        }
        for (position, score) in (0..).zip(scores) {
            if let Some(value) = score.value.filter(|value| !value.is_finite()) {
                return Err(StoreError::Backend {
                    doing: format!("writing score `{}`", score.name),
                    reason: format!("{value} is not a finite number"),
                });
            }
            changed.put.insert((&score.source, &score.name), (position, score));
        }
        self.scores.set(execution, changed);
        Ok(())
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept {
            self.nodes.keep();
            self.scores.keep();
        } else {
            self.nodes.undo();
            self.scores.undo();
        }
    }

    /// Writes those of executions that were not removed.
    pub(super) fn flush(
        &self,
        connection: &mut Connection,
        removed: &BTreeSet<i64>,
    ) -> Result<(), Failure> {
        let nodes = self.nodes.iter().filter(|((execution, _), _)| !removed.contains(execution));
        NODES.insert(connection, nodes.map(|(attempt, node)| node_row(*attempt, node)), "")?;
        let scores = || self.scores.iter().filter(|(execution, _)| !removed.contains(execution));
        let dropped = scores().filter(|(_, scores)| scores.drop_all);
        DROPPED.delete(connection, dropped.map(|(execution, _)| Ok([(*execution).into()])))?;
        let replaced = scores().filter(|(_, scores)| !scores.drop_all);
        let replaced = replaced.flat_map(|(execution, scores)| {
            scores.drop_of.iter().map(|source| Ok([(*execution).into(), Value::text(source)]))
        });
        REPLACED.delete(connection, replaced)?;
        let put = scores().flat_map(|(execution, scores)| {
            scores.put.values().map(|(position, score)| Ok(score_row(*execution, *position, score)))
        });
        let replacing = "ON CONFLICT (execution, source, name) DO UPDATE \
                         SET position = excluded.position, value = excluded.value, \
                         direction = excluded.direction, reason = excluded.reason, \
                         error = excluded.error";
        SCORES.insert(connection, put, replacing)
    }
}

impl<'group> Group<'group> {
    pub(super) fn put_scores(
        &mut self,
        id: &ExecutionId,
        scores: &'group [ScoreRecord],
    ) -> Result<(), StoreError> {
        let (key, _) = self.executions.find(id)?;
        let sources: BTreeSet<_> = scores.iter().map(|score| score.source.as_str()).collect();
        self.details.replace(key, sources, scores)?;
        self.executions.settle_scored(key);
        Ok(())
    }
}

fn node_row(attempt: (i64, i64), node: &NodeRecord) -> Result<[Value; 13], StoreError> {
    Ok([
        attempt.0.into(),
        attempt.1.into(),
        node.order.into(),
        Value::text(&node.node),
        node.step.into(),
        node.status.as_str().into(),
        node.calls.into(),
        Value::time(node.started_at),
        integer(node.duration_us, "a duration")?.into(),
        encode_optional(node.input.as_ref()).into(),
        encode_optional(node.output.as_ref()).into(),
        encode_optional_json(node.error.as_ref())?.into(),
        encode_optional_json(node.usage.as_ref())?.into(),
    ])
}

fn score_row(execution: i64, position: i64, score: &ScoreRecord) -> [Value; 9] {
    [
        execution.into(),
        Value::text(&score.source),
        Value::text(&score.name),
        position.into(),
        score.value.into(),
        score.direction.as_str().into(),
        Value::optional_text(score.version.as_deref()),
        Value::optional_text(score.reason.as_deref()),
        Value::optional_text(score.error.as_deref()),
    ]
}
