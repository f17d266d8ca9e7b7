//! The command line: definitions only. What the verbs do is in [`crate::verbs`].
//!
//! Doc comments here are the help texts. No option has a default that could override the bench
//! file: what was not given is `None`.
#![expect(clippy::doc_markdown, reason = "help texts are for terminals, not for Markdown")]

mod gate;
mod history;
mod migrate;
mod read;
mod reference;
mod run;
mod share;

pub(crate) use gate::{GateArgs, Inconclusive, PlanArgs};
pub(crate) use history::{
    CheckpointsArgs, DiffArgs, FilesArgs, ForkArgs, OccurrenceArgs, PlaceArgs, RestoreArgs,
    ResumeArgs, RollbackArgs,
};
pub(crate) use migrate::MigrateArgs;
pub(crate) use read::{CompareArgs, CorrectionChoice, EventsArgs, ListArgs, Listing, ShowArgs};
pub(crate) use reference::reference;
pub(crate) use run::{InitArgs, OutcomeArgs, RunArgs, ScoreArgs};
pub(crate) use share::{ExportArgs, ReportArgs};

use clap::{CommandFactory, Parser, Subcommand};

use crate::terminal::ColorChoice;

/// Compare the variants of an agentic workflow on your own cases.
///
/// Runs a workflow over variants x cases x repeats, keeps every execution, and says which variant
/// is best.
#[derive(Debug, Parser)]
#[command(name = "wtb", version, arg_required_else_help = true, propagate_version = false)]
#[command(disable_help_subcommand = true)]
#[command(after_help = "Start with `wtb init`, then `wtb run`.")]
pub(crate) struct CommandLine {
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Options of every verb.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// The store: a directory, a database file or an address. Default: `.wtb` [env: WTB_STORE]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) store: Option<String>,
    /// Print one JSON document in the place of tables
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colour; `NO_COLOR` is respected. Default: auto [env: WTB_COLOR]
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<ColorChoice>,
    /// Print data and errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Print tracebacks, node values, all output, every failure
    #[arg(short, long, global = true)]
    pub(crate) verbose: bool,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Write a small working project to start from
    Init(InitArgs),
    /// Run a batch: every variant on every case
    Run(RunArgs),
    /// Go on with an unfinished batch, or with an execution
    Resume(ResumeArgs),
    /// List batches or executions, newest first
    List(ListArgs),
    /// Show a batch with its comparison, or an execution with its nodes
    Show(ShowArgs),
    /// Compare the variants of one batch or of several
    Compare(CompareArgs),
    /// Score a batch anew, without running anything
    Score(ScoreArgs),
    /// Judge a batch against a baseline, for CI: pass, regression or inconclusive
    Gate(Box<GateArgs>),
    /// Tell how many cases and repeats a gate needs, before anything runs
    Plan(PlanArgs),
    /// Write a batch as one HTML page, to look at and to send
    Report(ReportArgs),
    /// Write a batch as tables, JUnit XML, Markdown, or as the baseline of a gate
    Export(Box<ExportArgs>),
    /// Show how two executions differ
    Diff(DiffArgs),
    /// Show the history of an execution, step by step
    Checkpoints(CheckpointsArgs),
    /// Put an execution back to a checkpoint of its history
    Rollback(RollbackArgs),
    /// Make a new execution that begins at a checkpoint of another one
    Fork(ForkArgs),
    /// List the files of an execution, or what has changed in them
    Files(FilesArgs),
    /// Write the files of an execution into a directory
    Restore(RestoreArgs),
    /// Print the audit trail: what happened, when and to what
    Events(EventsArgs),
    /// Remove stored values that nothing names any more, and workspaces that are left over
    #[command(
        after_help = "Safe while batches run. The file does not shrink: what is freed is used again."
    )]
    Gc(GcArgs),
    /// Tell what this machine has for running batches, with advice
    #[command(after_help = "Ends with 1 if something does not work. Nothing is run or made.")]
    Doctor,
    /// Upgrade a store that an older version of this program made
    Migrate(MigrateArgs),
    /// Print the JSON Schema of the bench file
    #[command(hide = true)]
    Schema,
    /// Print this reference as Markdown
    #[command(hide = true)]
    Reference,
}

/// `wtb gc`.
#[derive(Debug, clap::Args)]
pub(crate) struct GcArgs {
    /// Also remove workspaces that were kept since their attempts had failed
    #[arg(long)]
    pub(crate) kept: bool,
}

/// The command line as clap knows it, `width` columns wide.
pub(crate) fn command(width: usize) -> clap::Command {
    CommandLine::command().term_width(width)
}
