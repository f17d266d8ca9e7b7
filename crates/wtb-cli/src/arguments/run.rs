//! Arguments of the verbs that run batches or prepare to: `init`, `run`.

use std::path::PathBuf;

use clap::Args;

use crate::display::ProgressMode;
use crate::settings::{FailFastArg, parse_fail_fast};
use crate::text::parse_duration;

/// `wtb init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The directory to write into; it is created when it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) directory: PathBuf,
}

/// `wtb score`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb score\n  \
    wtb score b_4k2c --bench bench.toml\n\n\
    Scores of the same evaluator and name are replaced, others stay. Whatever has not succeeded has no score.")]
pub(crate) struct ScoreArgs {
    /// The batch: an id, a unique prefix, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// Score by the evaluators of this bench file. Default: those that the batch was scored by, as they
    /// are now
    #[arg(long, value_name = "BENCH")]
    pub(crate) bench: Option<PathBuf>,
    /// The primary metric of the comparison
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
}

/// `wtb run`.
///
/// A setting is taken from its option, else from its environment variable, else from the bench
/// file, else it has its default.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The bench file
    #[arg(value_name = "BENCH", default_value = "bench.toml")]
    pub(crate) bench: PathBuf,
    /// Run only this variant; may be given several times
    #[arg(long = "variant", value_name = "NAME", help_heading = "Selection")]
    pub(crate) variants: Vec<String>,
    /// Run only this case; may be given several times
    #[arg(long = "case", value_name = "ID", help_heading = "Selection")]
    pub(crate) cases: Vec<String>,
    /// Run only this many of the cases, from the first [env: WTB_LIMIT]
    #[arg(long, value_name = "N", help_heading = "Selection")]
    pub(crate) limit: Option<u32>,
    /// What to call the batch
    #[arg(long, value_name = "NAME", help_heading = "Settings")]
    pub(crate) name: Option<String>,
    /// How often each variant runs each case [env: WTB_REPEATS]
    #[arg(long, value_name = "N", help_heading = "Settings",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) repeats: Option<u32>,
    /// Go on until each variant can be told from the baseline: first with the cases that `--limit` left
    /// out, then with up to this many repeats. Intervals stay valid over all looks
    #[arg(long, value_name = "REPEATS", help_heading = "Settings",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) until_settled: Option<u32>,
    /// Where attempts run [env: WTB_RUNNER]
    #[arg(long, value_name = "RUNNER", help_heading = "Settings",
          value_parser = clap::builder::PossibleValuesParser::new(crate::bench_file::RUNNERS))]
    pub(crate) runner: Option<String>,
    /// How many attempts run at once [env: WTB_MAX_WORKERS]
    #[arg(short = 'j', long, value_name = "N", help_heading = "Settings",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_workers: Option<u32>,
    /// How long one attempt may take: seconds, `90s`, `2m`, `1h30m` [env: WTB_TIMEOUT]
    #[arg(long, value_name = "DURATION", help_heading = "Settings", value_parser = parse_duration)]
    pub(crate) timeout: Option<f64>,
    /// How many further attempts a failed one is given [env: WTB_RETRIES]
    #[arg(long, value_name = "N", help_heading = "Settings")]
    pub(crate) retries: Option<u32>,
    /// Seeds the order of cases and every execution [env: WTB_SEED]
    #[arg(long, value_name = "N", help_heading = "Settings",
          value_parser = clap::value_parser!(u64).range(..=u64::from(u32::MAX)))]
    pub(crate) seed: Option<u64>,
    /// Give up after this many errors, or this share of them (`0.2`) [env: WTB_FAIL_FAST]
    #[arg(long, value_name = "N", help_heading = "Settings", value_parser = parse_fail_fast)]
    pub(crate) fail_fast: Option<FailFastArg>,
    /// When the state is stored, to go back to: after each step, when an attempt ends, or never.
    /// Default: step [env: WTB_CHECKPOINTS]
    #[arg(long, value_name = "WHEN", help_heading = "Settings",
          value_parser = clap::builder::PossibleValuesParser::new(crate::bench_file::CHECKPOINTS))]
    pub(crate) checkpoints: Option<String>,
    /// A directory for the bytes of large values and files, which all machines have under the same path.
    /// The store remembers it [env: WTB_OBJECT_STORE]
    #[arg(long, value_name = "DIR", help_heading = "Settings")]
    pub(crate) object_store: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) outcome: OutcomeArgs,
}

/// How progress is shown and how the outcome is judged.
#[derive(Debug, Args)]
#[command(next_help_heading = "Outcome")]
pub(crate) struct OutcomeArgs {
    /// The primary metric [env: WTB_METRIC]
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// How many executions may fail before the exit code is 100. Default: 0
    /// [env: WTB_MAX_FAILURES]
    #[arg(long, value_name = "N")]
    pub(crate) max_failures: Option<u64>,
    /// How progress is shown: a bar on a terminal and lines elsewhere, lines, or nothing.
    /// Default: auto [env: WTB_PROGRESS]
    #[arg(long, value_name = "HOW")]
    pub(crate) progress: Option<ProgressMode>,
}
