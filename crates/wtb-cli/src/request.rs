//! What the command asks of the console script: the verbs that need Python.
//!
//! Each request is serialised to JSON with a `verb`; every value in it is settled, so that Python
//! reads neither the command line nor the environment nor the bench file.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value};
use wtb_model::{BatchId, ExecutionId};

use crate::bench_file::{EvaluatorEntry, GridEntry, VariantEntry, WorkspaceTable};
use crate::display::ProgressMode;
use crate::terminal::ColorChoice;
use crate::verbs::doctor::Check;

/// What comes of a command line.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// The command is done and the process ends with this code.
    Exit(i32),
    /// Python performs this, and then calls [`crate::conclude`], [`crate::render_execution`] or
    /// [`crate::render`].
    Perform(Request),
}

/// A verb that needs Python.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Request {
    /// Run a new batch.
    Run(Box<RunRequest>),
    /// Take an unfinished batch up again.
    Resume(ResumeRequest),
    /// Decode the values of an execution and show it.
    Show(ShowRequest),
    /// Read the history of an execution.
    Checkpoints(CheckpointsRequest),
    /// Put an execution back.
    Rollback(RollbackRequest),
    /// Make an execution that begins where another one stands or stood.
    Fork(Box<ForkRequest>),
    /// Go on with an execution.
    #[serde(rename = "resume_execution")]
    ResumeExecution(ResumeExecutionRequest),
    /// Compare two executions.
    Diff(DiffRequest),
    /// List the files of an execution.
    Files(FilesRequest),
    /// Write the files of an execution into a directory.
    Restore(RestoreRequest),
    /// Score a batch anew.
    Score(Box<ScoreRequest>),
    /// Write a batch as a page.
    Report(Box<ReportRequest>),
    /// Write a batch to files.
    Export(Box<ExportRequest>),
    /// Look at the machine.
    Doctor(DoctorRequest),
}

impl Request {
    /// How to talk about it.
    pub fn output(&self) -> &OutputOptions {
        match self {
            Self::Run(request) => &request.output,
            Self::Resume(request) => &request.output,
            Self::Show(request) => &request.output,
            Self::Checkpoints(request) => &request.output,
            Self::Rollback(request) => &request.output,
            Self::Fork(request) => &request.output,
            Self::ResumeExecution(request) => &request.output,
            Self::Diff(request) => &request.output,
            Self::Files(request) => &request.output,
            Self::Restore(request) => &request.output,
            Self::Score(request) => &request.output,
            Self::Report(request) => &request.output,
            Self::Export(request) => &request.output,
            Self::Doctor(request) => &request.output,
        }
    }
}

/// How to talk about what happens, and how to conclude.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent flags of the command line")]
pub struct OutputOptions {
    /// Whether stdout gets one JSON document in the place of a table.
    pub json: bool,
    /// The store as the command line named it; `None` where it was found without that.
    pub store_flag: Option<String>,
    /// How progress is shown.
    pub progress: ProgressMode,
    /// When to use colour.
    pub color: ColorChoice,
    /// Whether the variable `NO_COLOR` is set.
    pub no_color: bool,
    /// Whether only data and errors are printed.
    pub quiet: bool,
    /// Whether tracebacks and the like are printed in full.
    pub verbose: bool,
    /// How many executions may fail before the exit code says so.
    pub max_failures: u64,
    /// The primary metric of the comparison, where the command line names one.
    pub metric: Option<String>,
}

/// Where cases come from.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cases {
    /// A JSON Lines or CSV file, absolute.
    File(PathBuf),
    /// `module:attribute` of a list, or of a function that returns one.
    Reference(String),
    /// The cases themselves, each a table with `input` and perhaps `expected`, `id`, `tags`,
    /// `group`, `answers`.
    Inline(Vec<Value>),
}

/// Which part of a bench to run. A name that the bench does not have is a usage error.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Selection {
    /// Names of variants; empty means all.
    pub variants: Vec<String>,
    /// Ids of cases; empty means all.
    pub cases: Vec<String>,
    /// How many of the selected cases to take, from the first.
    pub limit: Option<u32>,
}

/// `wtb run`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRequest {
    /// The store's address.
    pub store: String,
    /// The directory for the bytes of large objects, absolute; `None` leaves it as the store says.
    pub object_store: Option<PathBuf>,
    /// The bench file, absolute.
    pub file: PathBuf,
    /// The bench file's directory, which Python puts first on `sys.path`.
    pub directory: PathBuf,
    /// What the batch is called.
    pub name: String,
    /// `module:attribute` of the workflow.
    pub workflow: String,
    /// Where cases come from.
    pub cases: Cases,
    /// The variants that are written out.
    pub variants: Vec<VariantEntry>,
    /// The axes whose combinations are variants, besides the ones written out.
    pub grid: Option<GridEntry>,
    /// What scores an execution.
    pub evaluators: Vec<EvaluatorEntry>,
    /// The primary metric.
    pub metric: Option<String>,
    /// How often each variant runs each case.
    pub repeats: u32,
    /// Up to how many repeats to add, as long as the variants cannot be told from the baseline.
    pub until_settled: Option<u32>,
    /// Where attempts run.
    pub runner: String,
    /// How the processes of the runners `process` and `ray` are made.
    pub process: Map<String, Value>,
    /// How the runner `ray` uses its cluster.
    pub ray: Map<String, Value>,
    /// How many attempts run at once; `None` for the runner's own default.
    pub max_workers: Option<u32>,
    /// How long one attempt may take, in seconds.
    #[serde(rename = "timeout_s")]
    pub timeout: Option<f64>,
    /// How many further attempts a failed one is given.
    pub retries: u32,
    /// Seeds the order of cases and every execution.
    pub seed: u64,
    /// When to give up: a count (an integer) or a share (a float) of errors.
    pub fail_fast: Option<Value>,
    /// How an execution that ended with an error counts: `zero`, `exclude` or `fail`.
    pub error: String,
    /// How many attempts may run or await their scores at once; `None` for the engine's default.
    pub window: Option<u32>,
    /// When the state is stored: `step`, `exit` or `off`.
    pub checkpoints: String,
    /// The nodes before which executions are paused.
    pub breakpoints: Vec<String>,
    /// `module:function` of what answers questions.
    pub on_interrupt: Option<String>,
    /// The files that executions work on; the inputs absolute.
    pub workspace: WorkspaceTable,
    /// Which part of the bench to run.
    pub select: Selection,
    /// How to talk about it.
    pub output: OutputOptions,
}

/// `wtb resume` of a batch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResumeRequest {
    /// The store's address.
    pub store: String,
    /// The batch.
    pub batch: BatchId,
    /// How to talk about it.
    pub output: OutputOptions,
}

/// `wtb show` of an execution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShowRequest {
    /// The store's address.
    pub store: String,
    /// The execution.
    pub execution: ExecutionId,
    /// How to print it.
    pub output: OutputOptions,
}

/// A place in a history, as the Python API names it; of `at`, `before` and `after` one is given, or
/// none where the place is where the execution stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Place {
    /// A step, a lineage and a step, an id, or a prefix of one.
    pub at: Option<String>,
    /// A node, to stand before it.
    pub before: Option<String>,
    /// A node, to stand after it.
    pub after: Option<String>,
    /// Which of several: 0 is the first, -1 the latest.
    pub occurrence: i32,
}

/// `wtb checkpoints`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CheckpointsRequest {
    /// The store's address.
    pub store: String,
    /// The execution, by the id that people know.
    pub execution: ExecutionId,
    /// Whether all of its lineages are shown.
    pub all: bool,
    /// Whether values are shown.
    pub values: bool,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb rollback`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RollbackRequest {
    /// The store's address.
    pub store: String,
    /// The execution, by the id that people know.
    pub execution: ExecutionId,
    /// Where to.
    pub place: Place,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb fork`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForkRequest {
    /// The store's address.
    pub store: String,
    /// The execution, by the id that people know.
    pub execution: ExecutionId,
    /// Where the fork begins.
    pub place: Place,
    /// What is applied to the state there.
    pub update: Option<Value>,
    /// The node that is to have returned it.
    pub as_node: Option<String>,
    /// Node to implementation.
    pub nodes: Map<String, Value>,
    /// Entries of the graph's config.
    pub config: Map<String, Value>,
    /// Whether it is run at once.
    pub resume: bool,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb resume` of an execution.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResumeExecutionRequest {
    /// The store's address.
    pub store: String,
    /// The execution, by the id that people know.
    pub execution: ExecutionId,
    /// What is applied to the state first.
    pub update: Option<Value>,
    /// Answers as they were typed: which question each one is for is known when it is read.
    pub answers: Vec<String>,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb doctor`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoctorRequest {
    /// How the store stands.
    pub store: Check,
    /// Where workspaces are made.
    pub workspaces: PathBuf,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb diff`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiffRequest {
    /// The store's address.
    pub store: String,
    /// An execution, by the id that people know.
    pub a: ExecutionId,
    /// The other one.
    pub b: ExecutionId,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb report`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReportRequest {
    /// The store's address.
    pub store: String,
    /// The batch.
    pub batch: BatchId,
    /// Where to write it, absolute.
    pub path: PathBuf,
    /// The baseline's name.
    pub baseline: Option<String>,
    /// The primary metric.
    pub metric: Option<String>,
    /// What the page is called.
    pub title: Option<String>,
    /// How to print what was written.
    pub output: OutputOptions,
}

/// `wtb score`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScoreRequest {
    /// The store's address.
    pub store: String,
    /// The batch.
    pub batch: BatchId,
    /// Where modules are looked for.
    pub directory: PathBuf,
    /// The evaluators; `None` for those that the batch was scored by.
    pub evaluators: Option<Vec<EvaluatorEntry>>,
    /// How to print the comparison.
    pub output: OutputOptions,
}

/// `wtb export`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExportRequest {
    /// The store's address.
    pub store: String,
    /// The batch.
    pub batch: BatchId,
    /// What to write where.
    pub destinations: Vec<Destination>,
    /// Which tables.
    pub what: Vec<String>,
    /// The baseline's name.
    pub baseline: Option<String>,
    /// The primary metric.
    pub metric: Option<String>,
    /// How to print what was written.
    pub output: OutputOptions,
}

/// A file, or several, of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// Where, absolute.
    pub path: PathBuf,
    /// As what; `None` for what the path's ending says.
    pub format: Option<String>,
}

/// `wtb files`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilesRequest {
    /// The store's address.
    pub store: String,
    /// The execution, by the id that people know.
    pub execution: ExecutionId,
    /// A checkpoint, or `start`; `None` for where the execution stands.
    pub at: Option<String>,
    /// The same, to compare with; `None` for the files themselves.
    pub since: Option<String>,
    /// How to print it.
    pub output: OutputOptions,
}

/// `wtb restore`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RestoreRequest {
    /// The store's address.
    pub store: String,
    /// The execution, by the id that people know.
    pub execution: ExecutionId,
    /// The directory to write into, absolute.
    pub directory: PathBuf,
    /// A checkpoint, or `start`; `None` for where the execution stands.
    pub at: Option<String>,
    /// Whether a directory that is not empty is replaced.
    pub force: bool,
    /// How to print it.
    pub output: OutputOptions,
}
