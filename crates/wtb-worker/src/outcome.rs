//! How an attempt ended, as workers deliver it.

use serde::{Deserialize, Serialize};
use wtb_model::{
    AttemptOutcome, Direction, ErrorInfo, NodeRecord, NodeStatus, ScoreRecord, StoredValue,
    Timestamp, Value,
};
use wtb_store::{Store, StoreError};

/// Why an outcome cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum OutcomeError {
    /// It says what no outcome says.
    #[error("{0}")]
    Invalid(String),
    /// Its values cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The workflow returned.
    Succeeded,
    /// It raised.
    Failed,
    /// It asked a question.
    Interrupted,
    /// It stopped at a breakpoint.
    Paused,
    /// It stopped because it was told to.
    Cancelled,
    /// It took too long.
    TimedOut,
}

/// What a worker delivers when an attempt ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// How it ended.
    pub status: End,
    /// Whether another attempt could end otherwise.
    #[serde(default)]
    pub retryable: bool,
    /// How long a server asked to wait before another attempt, in seconds.
    #[serde(default)]
    pub retry_after_s: Option<f64>,
    /// What the workflow returned.
    #[serde(default)]
    pub output: Option<Value>,
    /// The full final state, where it differs from the output.
    #[serde(default)]
    pub state: Option<Value>,
    /// The questions that were asked.
    #[serde(default)]
    pub interrupts: Option<Value>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
    /// The nodes that ran, in the order of their starts.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// Metrics that nodes logged.
    #[serde(default)]
    pub metrics: Vec<Metric>,
    /// Token usage: JSON.
    #[serde(default)]
    pub usage: Option<String>,
    /// What the user should know.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How long it took, in seconds.
    #[serde(default)]
    pub duration_s: f64,
}

/// One piece of work of one node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// The node, as a path through subgraphs (`agent/tools`).
    pub node: String,
    /// The graph's step in which it ran.
    pub step: i64,
    /// Its place in the order of starts within the attempt, from 0.
    pub order: u32,
    /// How it ended.
    pub status: NodeStatus,
    /// How often it was called.
    pub calls: u32,
    /// When it was first called, in seconds since 1970.
    pub started_at: f64,
    /// How long it took, in seconds.
    pub duration_s: f64,
    /// What it was given.
    #[serde(default)]
    pub input: Option<Value>,
    /// What it returned.
    #[serde(default)]
    pub output: Option<Value>,
    /// Why it failed.
    #[serde(default)]
    pub error: Option<ErrorInfo>,
    /// Token usage: JSON.
    #[serde(default)]
    pub usage: Option<String>,
}

/// A number that was logged, or that an evaluator gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// Its name.
    pub name: String,
    /// The number; `None` where an error stands in its place.
    pub value: Option<f64>,
    /// `max` or `min`.
    pub direction: String,
    /// Who gave it.
    pub source: String,
    /// Why it is what it is.
    #[serde(default)]
    pub reason: Option<String>,
    /// The error in its place.
    #[serde(default)]
    pub error: Option<String>,
}

impl Outcome {
    /// An outcome that says no more than how the attempt ended.
    pub const fn of(status: End) -> Self {
        Self {
            status,
            retryable: false,
            retry_after_s: None,
            output: None,
            state: None,
            interrupts: None,
            error: None,
            nodes: Vec::new(),
            metrics: Vec::new(),
            usage: None,
            warnings: Vec::new(),
            duration_s: 0.0,
        }
    }

    /// Stores its large values, and returns it as the engine takes it.
    pub fn into_record(
        self,
        store: &dyn Store,
        attempt: u32,
    ) -> Result<AttemptOutcome, OutcomeError> {
        let nodes = self.nodes.into_iter().map(|node| node.into_record(store, attempt));
        Ok(AttemptOutcome {
            output: stored(store, self.output)?,
            state: stored(store, self.state)?,
            interrupts: stored(store, self.interrupts)?,
            error: self.error,
            nodes: nodes.collect::<Result<_, _>>()?,
            metrics: self.metrics.into_iter().map(Metric::into_record).collect::<Result<_, _>>()?,
            usage: self.usage.as_deref().map(json).transpose()?,
            warnings: self.warnings,
            duration_us: micros(self.duration_s),
            // What a worker prints, its supervisor knows.
            stdout: None,
            stderr: None,
            files: None,
            files_error: None,
        })
    }
}

impl Node {
    fn into_record(self, store: &dyn Store, attempt: u32) -> Result<NodeRecord, OutcomeError> {
        Ok(NodeRecord {
            attempt,
            order: self.order,
            node: self.node,
            step: self.step,
            status: self.status,
            calls: self.calls,
            started_at: timestamp(self.started_at),
            duration_us: micros(self.duration_s),
            input: stored(store, self.input)?,
            output: stored(store, self.output)?,
            error: self.error,
            usage: self.usage.as_deref().map(json).transpose()?,
        })
    }
}

impl Metric {
    /// Returns it as the engine takes it.
    pub fn into_record(self) -> Result<ScoreRecord, OutcomeError> {
        let Self { name, value, direction, source, reason, error } = self;
        let direction = Direction::parse(&direction).ok_or_else(|| {
            OutcomeError::Invalid(format!("`{direction}` is no direction: use `max` or `min`"))
        })?;
        if value.is_some_and(|value| !value.is_finite()) {
            return Err(OutcomeError::Invalid(format!(
                "the score `{name}` is not a finite number"
            )));
        }
        Ok(ScoreRecord { name, value, direction, source, version: None, reason, error })
    }
}

fn stored(store: &dyn Store, value: Option<Value>) -> Result<Option<StoredValue>, StoreError> {
    value.map(|value| store.put_value(value)).transpose()
}

fn json(text: &str) -> Result<serde_json::Value, OutcomeError> {
    serde_json::from_str(text).map_err(|error| OutcomeError::Invalid(error.to_string()))
}

#[expect(clippy::cast_possible_truncation, reason = "microseconds of any real date fit")]
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6).round() as i64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a duration is not negative and its microseconds fit"
)]
fn micros(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e6).round() as u64
}
