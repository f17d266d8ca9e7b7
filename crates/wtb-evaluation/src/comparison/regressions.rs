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
    let sign = if direction == Direction::Max { -1.0 } else { 1.0 };
    let mut found = Vec::new();
    for variant in (0..sample.variants()).filter(|variant| *variant != baseline) {
        let mut add = |sample: &Sample, [own, other]: [usize; 2], place: usize, case: usize| {
            let loss = sign * Contrast::Difference(own, other).of_case(sample, place);
            if loss > 0.0 {
                found.push((
                    loss,
                    variant,
                    case,
                    sample.mean(place, own),
                    sample.mean(place, other),
                ));
            }
        };
        if sample.has_equal_repeats(variant, baseline) {
            for (place, case) in cases.iter().enumerate() {
                add(sample, [variant, baseline], place, *case);
            }
            continue;
        }
        let both = |place: &usize| {
            [variant, baseline].iter().all(|one| !sample.mean(*place, *one).is_nan())
        };
        let pair = sample.paired(variant, baseline);
        for (place, shared) in (0..sample.cases()).filter(both).enumerate() {
            add(&pair, [0, 1], place, cases[shared]);
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
