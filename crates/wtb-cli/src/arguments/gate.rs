//! Arguments of the verbs that judge: `gate`, and `plan` before anything runs.

use clap::Args;
use wtb_engine::evaluation::VALUE_MAX;

use super::read::StatisticsArgs;

/// `wtb gate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb gate latest --baseline baseline --variant dense --metric accuracy\n  \
    wtb gate latest --baseline b_4k2c --max-regression 0.05\n  \
    wtb gate latest --baseline main.wtb --markdown >> \"$GITHUB_STEP_SUMMARY\"\n\n\
    Passes (0) when the interval of the paired difference lies above the margin; is a regression (101) \
    when the interval lies below 0 and the difference is at or beyond the margin; else it is \
    inconclusive (102), and says what would settle it. `wtb plan` says beforehand how many cases it takes.")]
pub(crate) struct GateArgs {
    /// The batch: an id, a unique prefix, or `latest`
    #[arg(value_name = "ID", default_value = "latest")]
    pub(crate) id: String,
    /// What it is measured against: a variant of the batch, a file that `wtb export` wrote as a bundle,
    /// or another batch
    #[arg(long, value_name = "VARIANT|FILE|BATCH")]
    pub(crate) baseline: String,
    /// The variant that is to pass. Default: the only one that is not the baseline
    #[arg(long, value_name = "NAME")]
    pub(crate) variant: Option<String>,
    /// Which variant of another batch is the baseline. Default: the one of the same name, else its
    /// only one, else `baseline`
    #[arg(long, value_name = "NAME")]
    pub(crate) baseline_variant: Option<String>,
    /// The metric. Default: the batch's primary metric
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Option<String>,
    /// By how much the metric may become worse, in its own units
    #[arg(long, value_name = "NUMBER", default_value_t = 0.02, value_parser = margin,
          allow_negative_numbers = true)]
    pub(crate) max_regression: f64,
    #[command(flatten)]
    pub(crate) how: StatisticsArgs,
    /// Which exit code an inconclusive gate has: 102 with `fail`, 0 with `pass`
    #[arg(long, value_enum, default_value_t = Inconclusive::Fail, value_name = "WHAT")]
    pub(crate) inconclusive: Inconclusive,
    /// Print Markdown, for the summary of a CI job
    #[arg(long, conflicts_with = "json")]
    pub(crate) markdown: bool,
}

/// What an inconclusive gate is taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Inconclusive {
    /// It ends with 102
    Fail,
    /// It ends with 0
    Pass,
}

/// `wtb plan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    wtb plan --discordant 0.15 --max-regression 0.05\n  \
    wtb plan latest --baseline baseline --variant dense --cases 100,300 --repeats 1,3\n\n\
    Nothing is run. Without a batch, say how much candidate and baseline differ from case to case: \
    the share of cases in which one of them succeeds alone, or a standard deviation.")]
pub(crate) struct PlanArgs {
    /// A past batch to learn from how much results differ: an id, a unique prefix, or `latest`
    #[arg(value_name = "ID", requires = "baseline", conflicts_with_all = ["discordant", "deviation"])]
    pub(crate) id: Option<String>,
    /// Its baseline: a variant of it, a bundle, or another batch
    #[arg(long, value_name = "VARIANT|FILE|BATCH", requires = "id")]
    pub(crate) baseline: Option<String>,
    /// Its variant that is compared. Default: the only one that is not the baseline
    #[arg(long, value_name = "NAME", requires = "id")]
    pub(crate) variant: Option<String>,
    /// Which variant of another batch is the baseline
    #[arg(long, value_name = "NAME", requires = "id")]
    pub(crate) baseline_variant: Option<String>,
    /// The metric. Default: the batch's primary metric
    #[arg(long, value_name = "NAME", requires = "id")]
    pub(crate) metric: Option<String>,
    /// For scores of 0 and 1, once for each case: the share of cases in which one succeeds alone
    #[arg(long, value_name = "SHARE", conflicts_with = "deviation", value_parser = share)]
    pub(crate) discordant: Option<f64>,
    /// The standard deviation of a case's difference
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    pub(crate) deviation: Option<f64>,
    /// The part of it that each repeat draws anew, as a standard deviation
    #[arg(long, value_name = "NUMBER", requires = "deviation", value_parser = positive)]
    pub(crate) noise: Option<f64>,
    /// Numbers of cases
    #[arg(long, value_name = "N,N,...", value_delimiter = ',',
          default_values_t = [50, 100, 200, 500, 1_000, 2_000], hide_default_value = true,
          value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) cases: Vec<u32>,
    /// Numbers of repeats. Default: 1
    #[arg(long, value_name = "N,N,...", value_delimiter = ',', default_values_t = [1],
          hide_default_value = true, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) repeats: Vec<u32>,
    /// By how much the metric may become worse, in its own units, above 0
    #[arg(long, value_name = "NUMBER", default_value_t = 0.02, value_parser = positive)]
    pub(crate) max_regression: f64,
    /// The true loss that the gate ought to find. Default: three times the margin, or all that differs
    #[arg(long, value_name = "NUMBER", value_parser = positive)]
    pub(crate) drop: Option<f64>,
    /// How sure the gate's interval is
    #[arg(long, value_name = "SHARE", default_value_t = 0.95, value_parser = super::read::confidence)]
    pub(crate) confidence: f64,
}

fn number(text: &str, is_fit: impl Fn(f64) -> bool, what: &str) -> Result<f64, String> {
    text.parse::<f64>().ok().filter(|number| is_fit(*number)).ok_or_else(|| what.to_owned())
}

fn margin(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| (0.0..=VALUE_MAX).contains(&number),
        "it is a number from 0 on, such as 0.02",
    )
}

fn positive(text: &str) -> Result<f64, String> {
    number(
        text,
        |number| number > 0.0 && number <= VALUE_MAX,
        "it is a number above 0, such as 0.02, up to 1e100",
    )
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |number| number > 0.0 && number <= 1.0, "it is above 0 and up to 1, such as 0.15")
}
