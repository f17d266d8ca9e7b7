//! Arguments of the verbs that only read the store.

use clap::{Args, ValueEnum};
use wtb_engine::CompareRequest;
use wtb_engine::evaluation::Correction;
use wtb_model::ErrorPolicy;

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
#[command(after_help = "Examples:\n  \
    wtb compare\n  \
    wtb compare latest --baseline plan=v1 --confidence 0.9\n  \
    wtb compare latest --weight accuracy=1 --weight duration_s=-0.05\n\n\
    Variants are compared case by case: a difference is the mean over the cases that both have. \
    One is called best only if it is better than each other one, corrected for their number.")]
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
    #[command(flatten)]
    pub(crate) how: StatisticsArgs,
    /// How p-values are corrected for the number of variants. Default: holm
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) correction: Option<CorrectionChoice>,
}

/// How a comparison is made.
#[derive(Debug, Args)]
pub(crate) struct StatisticsArgs {
    /// Weight of a metric, or of `cost`, `tokens` or `duration_s`: the weighted sum is compared, in the
    /// place of one metric; may be given several times
    #[arg(long = "weight", value_name = "METRIC=NUMBER", conflicts_with = "metric", value_parser = weight)]
    pub(crate) weights: Vec<(String, f64)>,
    /// How sure intervals and findings are. Default: 0.95
    #[arg(long, value_name = "SHARE", value_parser = confidence)]
    pub(crate) confidence: Option<f64>,
    /// How executions that ended with an error count. Default: as the batch says
    #[arg(long, value_enum, value_name = "POLICY")]
    pub(crate) error: Option<ErrorChoice>,
}

/// The corrections by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CorrectionChoice {
    /// The chance of any false finding is held
    Holm,
    /// The expected share of false findings is held, for exploring
    Bh,
}

/// The error policies by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ErrorChoice {
    /// As 0; left out where smaller is better
    Zero,
    /// Left out
    Exclude,
    /// Their variant has no mean
    Fail,
}

impl CorrectionChoice {
    /// Returns the correction that is meant.
    pub(crate) const fn correction(self) -> Correction {
        match self {
            Self::Holm => Correction::Holm,
            Self::Bh => Correction::BenjaminiHochberg,
        }
    }
}

impl StatisticsArgs {
    /// Puts these settings into a request.
    pub(crate) fn fill(&self, request: CompareRequest) -> CompareRequest {
        CompareRequest {
            objective: self.weights.clone(),
            confidence: self.confidence,
            error: self.error.map(|error| match error {
                ErrorChoice::Zero => ErrorPolicy::Zero,
                ErrorChoice::Exclude => ErrorPolicy::Exclude,
                ErrorChoice::Fail => ErrorPolicy::Fail,
            }),
            ..request
        }
    }
}

fn weight(text: &str) -> Result<(String, f64), String> {
    let parsed = text.rsplit_once('=').and_then(|(name, number)| {
        let number = number.trim().parse::<f64>().ok().filter(|number| number.is_finite())?;
        Some((name.trim().to_owned(), number))
    });
    parsed.filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
        "a weight is METRIC=NUMBER, such as accuracy=1 or duration_s=-0.1".to_owned()
    })
}

pub(super) fn confidence(text: &str) -> Result<f64, String> {
    let share = text.parse::<f64>().ok().filter(|share| *share > 0.5 && *share < 1.0);
    share.ok_or_else(|| "it is between 0.5 and 1, such as 0.95".to_owned())
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
