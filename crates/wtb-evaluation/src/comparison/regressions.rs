//! The cases on which variants are worse than the baseline, the largest losses first.

use wtb_model::Direction;

use super::counting::Counting;
use super::shape::Regression;
use super::table::Table;
use crate::contrast::Contrast;
use crate::sample::Sample;

/// So many are named, of all variants together.
pub const REGRESSIONS_MAX: usize = 50;

/// Finds them in the sample that `counting` makes of the table, as wins and losses are counted.
pub(super) fn regressions(
    table: &Table,
    counting: &Counting,
    sample: &Sample,
    direction: Direction,
    baseline: usize,
) -> Vec<Regression> {
    let cases = table.sampled_cases(|one| counting.value(one));
    let mut found = Vec::new();
    for variant in (0..sample.variants()).filter(|variant| *variant != baseline) {
        let is_shared =
            |case: &usize| [variant, baseline].iter().all(|one| !sample.mean(*case, *one).is_nan());
        let shared: Vec<usize> = (0..sample.cases()).filter(is_shared).collect();
        let pair = sample.paired(variant, baseline);
        for (place, case) in shared.into_iter().enumerate() {
            let difference = Contrast::Difference(0, 1).of_case(&pair, place);
            let loss = if direction == Direction::Max { -difference } else { difference };
            if loss > 0.0 {
                found.push((loss, variant, cases[case], pair.mean(place, 0), pair.mean(place, 1)));
            }
        }
    }
    found.sort_by(|left, right| right.0.total_cmp(&left.0));
    found.truncate(REGRESSIONS_MAX);
    let named = |(_, variant, case, mean, baseline): (f64, usize, usize, f64, f64)| Regression {
        variant: table.variants[variant].name.clone(),
        case_id: table.cases[case].id.clone(),
        baseline,
        mean,
    };
    found.into_iter().map(named).collect()
}
