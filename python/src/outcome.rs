//! Outcomes and scores as Python passes them.

use pyo3::prelude::*;
use wtb_model::{ErrorInfo, NodeStatus, ScoreRecord};
use wtb_worker::{End, Metric, Node, Outcome, OutcomeError};

use crate::errors::{Failure, Result, invalid};
use crate::payload::Payload;

/// `(type, message, traceback, node)`.
type ErrorTuple = (String, String, Option<String>, Option<String>);
/// `(name, value, direction, source, reason, error)`.
type MetricTuple = (String, Option<f64>, String, String, Option<String>, Option<String>);
/// A metric, with the version of the evaluator that gave it behind the rest.
pub(crate) type ScoreTuple =
    (String, Option<f64>, String, String, Option<String>, Option<String>, Option<String>);

/// One node's record as Python passes it.
#[derive(FromPyObject)]
struct NodeItem {
    node: String,
    step: i64,
    order: u32,
    status: String,
    calls: u32,
    started_at: f64,
    duration_s: f64,
    input: Option<Payload>,
    output: Option<Payload>,
    error: Option<ErrorTuple>,
    usage: Option<String>,
}

/// What an attempt delivers, as Python passes it.
#[derive(FromPyObject)]
pub(crate) struct OutcomeItem {
    status: String,
    retryable: bool,
    retry_after_s: Option<f64>,
    output: Option<Payload>,
    state: Option<Payload>,
    interrupts: Option<Payload>,
    error: Option<ErrorTuple>,
    nodes: Vec<NodeItem>,
    metrics: Vec<MetricTuple>,
    usage: Option<String>,
    warnings: Vec<String>,
    duration_s: f64,
}

impl OutcomeItem {
    /// Returns the outcome.
    pub(crate) fn into_outcome(self) -> Result<Outcome> {
        let nodes = self.nodes.into_iter().map(NodeItem::into_node);
        Ok(Outcome {
            status: end(&self.status)?,
            retryable: self.retryable,
            retry_after_s: self.retry_after_s,
            output: self.output.map(|value| value.0),
            state: self.state.map(|value| value.0),
            interrupts: self.interrupts.map(|value| value.0),
            error: self.error.map(error_info),
            nodes: nodes.collect::<Result<_>>()?,
            metrics: self.metrics.into_iter().map(metric).collect(),
            usage: self.usage,
            warnings: self.warnings,
            duration_s: self.duration_s,
        })
    }
}

impl NodeItem {
    fn into_node(self) -> Result<Node> {
        let status = NodeStatus::parse(&self.status)
            .ok_or_else(|| invalid(format!("`{}` is no status of a node", self.status)))?;
        Ok(Node {
            node: self.node,
            step: self.step,
            order: self.order,
            status,
            calls: self.calls,
            started_at: self.started_at,
            duration_s: self.duration_s,
            input: self.input.map(|value| value.0),
            output: self.output.map(|value| value.0),
            error: self.error.map(error_info),
            usage: self.usage,
        })
    }
}

fn end(status: &str) -> Result<End> {
    Ok(match status {
        "succeeded" => End::Succeeded,
        "failed" => End::Failed,
        "interrupted" => End::Interrupted,
        "paused" => End::Paused,
        "cancelled" => End::Cancelled,
        "timed_out" => End::TimedOut,
        other => return Err(invalid(format!("`{other}` is no way for an attempt to end"))),
    })
}

fn error_info((kind, message, traceback, node): ErrorTuple) -> ErrorInfo {
    ErrorInfo { kind, message, traceback, node }
}

fn metric((name, value, direction, source, reason, error): MetricTuple) -> Metric {
    Metric { name, value, direction, source, reason, error }
}

pub(crate) fn score_record(tuple: ScoreTuple) -> Result<ScoreRecord> {
    let (name, value, direction, source, reason, error, version) = tuple;
    let metric = Metric { name, value, direction, source, reason, error };
    Ok(ScoreRecord { version, ..metric.into_record().map_err(unusable)? })
}

/// What is wrong with an outcome, as an error.
pub(crate) fn unusable(error: OutcomeError) -> Failure {
    match error {
        OutcomeError::Invalid(reason) => invalid(reason),
        OutcomeError::Store(error) => error.into(),
    }
}
