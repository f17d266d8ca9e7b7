//! Batches and what they are made of: variants, cases, and the session that drives them.

use serde::{Deserialize, Serialize};

use crate::{BatchId, BatchStatus, ExecutionStatus, SessionId, StoredValue, Timestamp};

/// When to give a batch up early.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailFast {
    /// After this many executions ended with an error.
    Count(u32),
    /// After this share of the ended executions ended with an error, once at least ten have ended.
    Fraction(f64),
}

/// How an execution that ended with an error counts in a mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorPolicy {
    /// As 0, for metrics where larger is better; left out where smaller is better.
    #[default]
    Zero,
    /// Left out of the mean; coverage shows how many.
    Exclude,
    /// A variant with any error has no mean and cannot be best.
    Fail,
}

impl ErrorPolicy {
    /// Parses the name used in Python and in bench files.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "zero" => Some(Self::Zero),
            "exclude" => Some(Self::Exclude),
            "fail" => Some(Self::Fail),
            _ => None,
        }
    }
}

/// When an attempt's checkpoints are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckpointMode {
    /// After each step, before the next one begins.
    #[default]
    Step,
    /// Once, when the attempt ends.
    Exit,
    /// Never.
    Off,
}

impl CheckpointMode {
    /// Parses the name used in Python and in bench files.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "step" => Some(Self::Step),
            "exit" => Some(Self::Exit),
            "off" => Some(Self::Off),
            _ => None,
        }
    }
}

/// Which workspaces stay when their attempts have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeepWorkspaces {
    /// Those of attempts that failed or timed out.
    #[default]
    Failed,
    /// All.
    All,
    /// None.
    None,
}

impl KeepWorkspaces {
    /// Parses the name used in Python and in bench files.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "failed" => Some(Self::Failed),
            "all" => Some(Self::All),
            "none" => Some(Self::None),
            _ => None,
        }
    }
}

/// The files that executions work on, each on a private tree of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkspaceSpec {
    /// The directory that they begin with, as an absolute path; `None` for no files, but those that a
    /// case has of its own.
    pub inputs: Option<String>,
    /// How workspaces are to be made, by the name of a rung; `None` takes the best that works.
    pub rung: Option<String>,
    /// Which workspaces stay.
    pub keep: KeepWorkspaces,
}

/// How long the next attempt is held back after one that failed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// Before the first retry, in milliseconds.
    pub initial_ms: u64,
    /// By how much each further wait is longer.
    pub factor: f64,
    /// The longest wait, in milliseconds.
    pub max_ms: u64,
    /// The share of each wait that is drawn at random, 0 to 1, so that retries do not march in step.
    pub jitter: f64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { initial_ms: 500, factor: 2.0, max_ms: 60_000, jitter: 0.5 }
    }
}

/// Everything that was asked of a batch, apart from its variants and cases.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchSpec {
    /// How often each variant runs each case.
    pub repeats: u32,
    /// Seeds the order of cases, the jitter of backoffs and, with case and repeat, each execution.
    pub seed: u64,
    /// The kind of place the workers live in: `inline` or `thread`.
    pub runner: String,
    /// How many attempts run at once.
    pub max_workers: u32,
    /// How long one attempt may take, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How many further attempts a failed or timed-out one is given.
    pub retries: u32,
    /// How long retries are held back.
    pub backoff: Backoff,
    /// How many lost attempts of an execution are followed by another one; they are no retries.
    #[serde(default = "BatchSpec::losses_max")]
    pub losses_max: u32,
    /// When to give up early.
    pub fail_fast: Option<FailFast>,
    /// How executions that ended with an error count.
    pub error: ErrorPolicy,
    /// How often its comparison may be looked at in order to decide whether to add to it: intervals and
    /// findings hold over all of these looks.
    #[serde(default = "BatchSpec::one_look")]
    pub looks: u32,
    /// The primary metric, when it was named.
    pub metric: Option<String>,
    /// The evaluators as the front end describes them, in order, so that a later session can
    /// find them again. Opaque here.
    pub evaluators: Vec<serde_json::Value>,
    /// How many attempts may run or await their scores at once, before backpressure is applied.
    pub window: u32,
    /// When checkpoints are written.
    pub checkpoints: CheckpointMode,
    /// The files that its executions work on.
    #[serde(default)]
    pub workspace: WorkspaceSpec,
    /// What else the front end needs to continue the batch in a later session. Opaque here.
    pub front: serde_json::Value,
}

impl BatchSpec {
    /// A batch that nothing is added to because of what it shows.
    pub const fn one_look() -> u32 {
        1
    }

    /// How many lost attempts are followed by another one, unless it is said.
    pub const fn losses_max() -> u32 {
        3
    }
}

/// A batch as the store keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BatchRecord {
    /// Its id.
    pub id: BatchId,
    /// The name its author gave it.
    pub name: Option<String>,
    /// The workflow's name.
    pub workflow: String,
    /// `module:attribute` of the workflow, when it has one.
    pub reference: Option<String>,
    /// Where it stands.
    pub status: BatchStatus,
    /// What was asked of it.
    pub spec: BatchSpec,
    /// The session that drives it or drove it last.
    pub session: Option<SessionId>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its first execution was handed out.
    pub started_at: Option<Timestamp>,
    /// When it last reached a final state.
    pub finished_at: Option<Timestamp>,
}

/// A variant of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VariantRecord {
    /// Its name, unique within the batch.
    pub name: String,
    /// What it substitutes, as the front end describes it. Opaque here, but for its `environment`.
    pub description: serde_json::Value,
}

impl VariantRecord {
    /// Returns what it needs of where it runs; `None` when it can run anywhere.
    pub fn environment(&self) -> Option<&serde_json::Value> {
        self.description.get("environment").filter(|environment| !environment.is_null())
    }
}

/// A case of a batch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// Its id, unique within the batch.
    pub id: String,
    /// The group it belongs to, for statistics that respect clusters.
    pub group: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// The initial state.
    pub input: StoredValue,
    /// What is expected of the output.
    pub expected: Option<StoredValue>,
    /// How its questions are answered without a person, as the front end describes it.
    pub answers: Option<StoredValue>,
    /// The directory that its executions begin with, in the place of the batch's.
    pub workspace: Option<String>,
}

/// A live or past driver of batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionRecord {
    /// Its id.
    pub id: SessionId,
    /// The machine it runs on.
    pub host: String,
    /// Its process id there.
    pub process: u32,
    /// When that process started, in the kernel's own units, which tells a reused process id apart.
    pub process_started: Option<u64>,
    /// When it opened the store.
    pub started_at: Timestamp,
    /// When it last said that it lives.
    pub heartbeat_at: Timestamp,
    /// When it closed the store.
    pub ended_at: Option<Timestamp>,
}

/// How many executions stand where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StatusCounts {
    /// Waiting for a worker.
    pub queued: u64,
    /// Under way.
    pub running: u64,
    /// Reached the workflow's end.
    pub succeeded: u64,
    /// Raised in their last attempt.
    pub failed: u64,
    /// Outlived their deadline in their last attempt.
    pub timed_out: u64,
    /// Stopped on request.
    pub cancelled: u64,
    /// Await an answer.
    pub interrupted: u64,
    /// Stand at a breakpoint.
    pub paused: u64,
}

impl StatusCounts {
    /// Returns the count of one status, to read or to change.
    pub fn of(&mut self, status: ExecutionStatus) -> &mut u64 {
        match status {
            ExecutionStatus::Queued => &mut self.queued,
            ExecutionStatus::Running => &mut self.running,
            ExecutionStatus::Succeeded => &mut self.succeeded,
            ExecutionStatus::Failed => &mut self.failed,
            ExecutionStatus::TimedOut => &mut self.timed_out,
            ExecutionStatus::Cancelled => &mut self.cancelled,
            ExecutionStatus::Interrupted => &mut self.interrupted,
            ExecutionStatus::Paused => &mut self.paused,
        }
    }

    /// Returns how many executions there are.
    pub const fn total(&self) -> u64 {
        self.outstanding() + self.ended()
    }

    /// Returns how many are waiting or under way.
    pub const fn outstanding(&self) -> u64 {
        self.queued + self.running
    }

    /// Returns how many have ended, well or not.
    pub const fn ended(&self) -> u64 {
        self.succeeded + self.errors() + self.cancelled + self.interrupted + self.paused
    }

    /// Returns how many ended with an error.
    pub const fn errors(&self) -> u64 {
        self.failed + self.timed_out
    }
}
