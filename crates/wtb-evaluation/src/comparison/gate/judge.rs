//! From a gate's figures to its answer, and the sentence that says why.

use wtb_model::{Direction, ErrorPolicy};

use super::measure::gain;
use super::{Outcome, Verdict};
use crate::comparison::counting::{Counting, MISSING_SHARE_MAX, Tally};
use crate::comparison::share;
use crate::contest::UNITS_MIN;
use crate::interval::{Interval, NoInterval};

/// Why a candidate that looks well cannot pass.
pub(super) fn doubt(counting: &Counting, candidate: &Tally, baseline: &Tally) -> Option<String> {
    let Tally { executions, errors, scored, .. } = candidate;
    if *scored == 0 {
        return Some("none of its executions has a score".to_owned());
    }
    let rate = |tally: &Tally| share(tally.errors, tally.executions);
    if !counting.errors_are_zero && rate(candidate) > rate(baseline) {
        return Some(format!(
            "{errors} of its {executions} executions ended with an error and are left out"
        ));
    }
    (candidate.missing() > baseline.missing() + MISSING_SHARE_MAX)
        .then(|| format!("{:.0} % of its executions have no score", candidate.missing() * 100.0))
}

/// What speaks against believing the figures.
pub(super) struct Doubts {
    /// Candidate and baseline were measured in different ways.
    pub(super) of_both: Option<String>,
    /// The candidate may look well for what it lacks.
    pub(super) of_passing: Option<String>,
}

pub(super) fn judge(
    verdict: &Verdict,
    ends: Option<Result<Interval, NoInterval>>,
    doubts: Doubts,
    policy: ErrorPolicy,
) -> (Outcome, String) {
    let (ends, difference) = match ends_of(verdict, ends, policy) {
        Ok(found) => found,
        Err(reason) => return (Outcome::Inconclusive, reason),
    };
    let found = found(verdict, &ends, difference);
    if let Some(doubt) = doubts.of_both {
        return (Outcome::Inconclusive, format!("{found}, but {doubt}"));
    }
    if verdict.units < UNITS_MIN {
        let text = format!("{found}: fewer than {UNITS_MIN} can show nothing at 95 %");
        return (Outcome::Inconclusive, text);
    }
    let margin = verdict.max_regression;
    let (low, high) = match verdict.direction {
        Direction::Max => (ends.low, ends.high),
        Direction::Min => (-ends.high, -ends.low),
    };
    if low > -margin {
        return match doubts.of_passing {
            None => (Outcome::Pass, format!("{found}: not worse by more than {margin}")),
            Some(doubt) => (Outcome::Inconclusive, format!("{found}, but {doubt}")),
        };
    }
    if high < 0.0 && gain(verdict.direction, difference) <= -margin {
        return (Outcome::Regression, format!("{found}: worse by {margin} or more"));
    }
    (Outcome::Inconclusive, format!("{found}: {}", open_question(verdict)))
}

/// Returns interval and difference, or why there is nothing to judge by.
fn ends_of(
    verdict: &Verdict,
    ends: Option<Result<Interval, NoInterval>>,
    policy: ErrorPolicy,
) -> Result<(Interval, f64), String> {
    let Verdict { candidate, baseline, cases, .. } = verdict;
    let Some(metric) = &verdict.metric else {
        return Err("no execution has a score".to_owned());
    };
    let (Some(ends), Some(difference)) = (ends, verdict.difference) else {
        let errors = verdict.candidate_errors + verdict.baseline_errors;
        return Err(if policy == ErrorPolicy::Fail && errors > 0 {
            format!(
                "{errors} executions ended with an error, which takes their variant's mean away"
            )
        } else {
            format!("{candidate} and {baseline} have no case in common with a `{metric}`")
        });
    };
    match ends {
        Ok(ends) => Ok((ends, difference)),
        Err(NoInterval::OneUnit) => {
            Err(format!("a single case says nothing of how `{metric}` differs"))
        }
        Err(NoInterval::Constant) => Err(format!(
            "`{metric}` differs by {difference:+} in each of {cases} cases, and nothing says how it \
             would in others"
        )),
    }
}

/// What was found, as the beginning of a sentence.
fn found(verdict: &Verdict, ends: &Interval, difference: f64) -> String {
    let Verdict { candidate, baseline, cases, .. } = verdict;
    let metric = verdict.metric.as_deref().unwrap_or_default();
    let how = match difference {
        0.0 => format!("is that of {baseline}"),
        above if above > 0.0 => format!("is {above:.4} higher than that of {baseline}"),
        below => format!("is {:.4} lower than that of {baseline}", -below),
    };
    let looks = match verdict.looks {
        0 | 1 => String::new(),
        looks => format!(" over all {looks} looks"),
    };
    format!(
        "`{metric}` of {candidate} {how} ({} % interval of the difference{looks} [{:+.4}, {:+.4}], {cases} cases)",
        percent(verdict.confidence),
        ends.low,
        ends.high,
    )
}

/// A share in percent, without decimals that say nothing.
fn percent(share: f64) -> f64 {
    (share * 1e4).round() / 1e2
}

/// What an inconclusive gate could have seen, and what would settle it.
fn open_question(verdict: &Verdict) -> String {
    let margin = verdict.max_regression;
    let more = |cases: Option<usize>| cases.filter(|cases| *cases > verdict.cases);
    let seen = verdict
        .detectable
        .map(|detectable| format!("these cases can show a difference of {detectable:.2}"));
    let found = more(verdict.cases_needed)
        .map(|cases| format!("{cases} cases would settle a difference of this size"));
    let unchanged = more(verdict.cases_needed_if_unchanged)
        .map(|cases| format!("{cases} cases would pass an unchanged workflow"));
    let parts = [seen, found, unchanged].into_iter().flatten();
    parts.fold(format!("neither within {margin} nor shown to be worse"), |text, part| {
        format!("{text}; {part}")
    })
}
