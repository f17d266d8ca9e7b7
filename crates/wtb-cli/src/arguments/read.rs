//! Arguments of the verbs that only read the store.

use clap::{Args, ValueEnum};

/// What `wtb list` can list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Listing {
    Batches,
    Executions,
}

/// `wtb list`.
#[derive(Debug, Args)]
#[command(after_help = "Filters of batches: status=, workflow=, name~\n\
    Filters of executions: batch=, status=, variant=, case=, workflow=, dead_letter=true")]
pub(crate) struct ListArgs {
    /// What to list
    #[arg(value_enum, default_value_t = Listing::Batches, hide_default_value = false)]
    pub(crate) what: Listing,
    /// How many at the most
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: u64,
    /// Only those that fit, `KEY=VALUE`; may be given several times
    #[arg(long = "filter", value_name = "FILTER")]
    pub(crate) filters: Vec<String>,
}

/// `wtb show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// A batch `b_...` or an execution `e_...`: its id, a unique prefix of it, or `latest` for the
    /// newest batch
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// The primary metric of a batch's comparison
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
}

/// `wtb compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The batches: ids, unique prefixes, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) ids: Vec<String>,
    /// The primary metric
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// The variant that the others are compared with
    #[arg(long, value_name = "VARIANT")]
    pub(crate) baseline: Option<String>,
}

/// `wtb events`.
#[derive(Debug, Args)]
#[command(after_help = "With `--json`, each event is one line of JSON (JSON Lines).")]
pub(crate) struct EventsArgs {
    /// Only of this batch
    #[arg(long, value_name = "ID")]
    pub(crate) batch: Option<String>,
    /// Only of this execution
    #[arg(long, value_name = "ID")]
    pub(crate) execution: Option<String>,
    /// Only of this kind, such as `execution.failed` or `execution.*`; may be given several times
    #[arg(long = "kind", value_name = "KIND")]
    pub(crate) kinds: Vec<String>,
    /// Only since this time: `10m` (ago), a date, or a date and time
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only those after this sequence number
    #[arg(long, value_name = "SEQUENCE", default_value_t = 0)]
    pub(crate) after: u64,
    /// How many at the most, the oldest first. Default: all
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
}
