//! Arguments of `wtb migrate`.

use clap::Args;

/// `wtb migrate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb migrate --dry-run\n  \
    wtb migrate --store 'postgresql://me:password@db.example.org/experiments'\n\n\
    A SQLite store is upgraded whenever it is opened. One on a server is upgraded by this verb alone, \
    and only while no program runs batches or executions in it; the error names those that do. End \
    programs that use it as a LangGraph checkpointer as well: they cannot be seen. Back it up before: \
    there is no way back to an older schema.")]
pub(crate) struct MigrateArgs {
    /// Say what would be done, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}
