//! Executions, their attempts and the nodes that ran.

use serde::{Deserialize, Serialize};

use crate::{
    AttemptStatus, BatchId, ExecutionId, ExecutionStatus, ScoreRecord, StoredValue, Timestamp,
};

/// Why an attempt ended badly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// The error's type as its author knows it, such as `ValueError`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub message: String,
    /// Where it was raised; bounded by whoever recorded it.
    pub traceback: Option<String>,
    /// The node that failed, as a path through subgraphs (`agent/tools`), when it is known.
    pub node: Option<String>,
}

/// How one node's work ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeStatus {
    /// It returned.
    Succeeded,
    /// It raised.
    Failed,
    /// Its result came from the graph's node cache.
    Cached,
    /// It was stopped, or had not returned when its attempt ended.
    Cancelled,
    /// It asked a question.
    Interrupted,
}

impl NodeStatus {
    const ALL: [Self; 5] =
        [Self::Succeeded, Self::Failed, Self::Cached, Self::Cancelled, Self::Interrupted];

    /// Returns the name used in stores and in Python.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cached => "cached",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }

    /// Parses what [`NodeStatus::as_str`] prints.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// One piece of work of one node in one attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The attempt it belongs to, from 1.
    pub attempt: u32,
    /// Its place in the order of starts within the attempt, from 0.
    pub order: u32,
    /// The node, as a path through subgraphs (`agent/tools`).
    pub node: String,
    /// The graph's step in which it ran.
    pub step: i64,
    /// How it ended.
    pub status: NodeStatus,
    /// How often it was called: more than once when the graph's own retry policy retried it.
    pub calls: u32,
    /// When it was first called.
    pub started_at: Timestamp,
    /// How long it took, all calls together, in microseconds.
    pub duration_us: u64,
    /// What it was given.
    pub input: Option<StoredValue>,
    /// What it returned.
    pub output: Option<StoredValue>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
    /// Token usage, as the front end counts it. Opaque here.
    pub usage: Option<serde_json::Value>,
}

/// What a worker delivers when an attempt ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AttemptOutcome {
    /// What the workflow returned.
    pub output: Option<StoredValue>,
    /// The full final state, where it differs from the output.
    pub state: Option<StoredValue>,
    /// The questions asked, when the attempt was interrupted.
    pub interrupts: Option<StoredValue>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
    /// The nodes that ran, in the order of their starts.
    pub nodes: Vec<NodeRecord>,
    /// Metrics that nodes logged.
    pub metrics: Vec<ScoreRecord>,
    /// Token usage, as the front end counts it. Opaque here.
    pub usage: Option<serde_json::Value>,
    /// What the worker wants its user to know, such as values that could not be serialised.
    pub warnings: Vec<String>,
    /// When the attempt's work began and how long it took, in microseconds, as the worker saw it.
    pub duration_us: u64,
    /// What it wrote to its standard output: the value of a [`Captured`](crate::Captured); `None` where the worker
    /// does not capture it.
    pub stdout: Option<StoredValue>,
    /// The same of its standard error.
    pub stderr: Option<StoredValue>,
    /// The snapshot of its workspace as it left it.
    pub files: Option<StoredValue>,
    /// Why there is none although it had a workspace. The journal has it, and the warnings.
    pub files_error: Option<String>,
}

impl AttemptOutcome {
    /// Returns the values that it names by itself; those of its nodes come on top.
    pub fn values(&self) -> [Option<&StoredValue>; 6] {
        let Self { output, state, interrupts, stdout, stderr, files, .. } = self;
        [output, state, interrupts, stdout, stderr, files].map(Option::as_ref)
    }
}

/// An execution as the store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRecord {
    /// Its id.
    pub id: ExecutionId,
    /// The batch whose cell it is; `None` for a single execution.
    pub batch: Option<BatchId>,
    /// The workflow's name.
    pub workflow: String,
    /// The variant's name.
    pub variant: String,
    /// The case's id.
    pub case_id: String,
    /// Which repeat it is, from 0.
    pub repeat: u32,
    /// Its place among the batch's variants, from 0.
    pub variant_index: u32,
    /// Its place among the batch's cases, from 0.
    pub case_index: u32,
    /// What its attempts seed their random number generators with; below 2^32.
    pub seed: u64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// How many attempts were started.
    pub attempts: u32,
    /// The fencing token of its latest attempt; 0 before the first.
    pub token: u64,
    /// Whether it spent its retries and waits to be looked at.
    pub dead_letter: bool,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its latest attempt was started.
    pub started_at: Option<Timestamp>,
    /// When it reached a final state.
    pub finished_at: Option<Timestamp>,
    /// How long its latest attempt took, in microseconds.
    pub duration_us: Option<u64>,
    /// The initial state; `None` for a cell, whose case has it.
    pub input: Option<StoredValue>,
    /// What the workflow returned.
    pub output: Option<StoredValue>,
    /// The full final state, where it differs from the output.
    pub state: Option<StoredValue>,
    /// The questions asked, when it is interrupted.
    pub interrupts: Option<StoredValue>,
    /// Why its latest attempt failed.
    pub error: Option<ErrorInfo>,
    /// Token usage, as the front end counts it. Opaque here.
    pub usage: Option<serde_json::Value>,
    /// What the worker wanted its user to know.
    pub warnings: Vec<String>,
    /// Whether its evaluators have had their say (true at once where there are none).
    pub settled: bool,
    /// The execution that it was forked from.
    pub parent: Option<ExecutionId>,
    /// The batch whose case and evaluators it has without being a cell: that of the cell that it
    /// continues, or that it was forked from, directly or not.
    pub origin: Option<BatchId>,
    /// How many lineages it has opened: it stands in the last of them. 0 without checkpoints.
    pub lineages: u32,
    /// Whether its next attempt goes on from the head of its last lineage, and not from its input.
    pub from_head: bool,
    /// What the front end needs to run it again, where no batch knows that. Opaque here.
    pub front: Option<serde_json::Value>,
}

impl ExecutionRecord {
    /// Returns the name of the lineage that it stands in (LangGraph: its thread).
    pub fn thread(&self) -> Option<String> {
        (self.lineages > 0).then(|| self.id.thread(self.lineages))
    }
}

/// An attempt as the store keeps it.
#[derive(Debug, Clone, PartialEq)]
pub struct AttemptRecord {
    /// Its number within the execution, from 1.
    pub number: u32,
    /// Its fencing token.
    pub token: u64,
    /// The worker that held its lease.
    pub worker: String,
    /// Where it stands.
    pub status: AttemptStatus,
    /// When its lease was given.
    pub started_at: Timestamp,
    /// When its end was accepted.
    pub finished_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<ErrorInfo>,
    /// What it wrote to its standard output, as [`AttemptOutcome::stdout`] brought it.
    pub stdout: Option<StoredValue>,
    /// The same of its standard error.
    pub stderr: Option<StoredValue>,
    /// Its workspace, if it had one.
    pub workspace: Option<WorkspaceRecord>,
    /// The snapshot of its workspace as it left it.
    pub files: Option<StoredValue>,
}

/// The workspace of an attempt as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceRecord {
    /// How it was made: the name of a rung.
    pub rung: String,
    /// The directory that it was made of.
    pub inputs: String,
    /// Where it was made. It is there as long as it is kept.
    pub directory: String,
    /// The snapshot of what the attempt found in it.
    pub files: StoredValue,
}
