//! What the choices on the axes of a grid do, each averaged over the choices on the others.
//!
//! An effect is a weighted sum of variants in each case: a choice less the reference choice of its
//! axis, over all combinations of the other axes that have both. An interaction is the difference of
//! two such differences. The reference is the baseline's choice.

use std::collections::BTreeMap;

use super::shape::Effect;
use super::table::VariantInfo;
use crate::contrast::{Contrast, Spread};
use crate::interval::{count, interval};
use crate::multiplicity::Correction;
use crate::paired::sign_flip;
use crate::resample::Draws;
use crate::sample::{Observation, Sample};

/// More effects than this are not computed: nobody reads them, and the correction eats all.
pub(super) const EFFECTS_MAX: usize = 200;

/// What is estimated: weights of variants, by their places.
struct Plan {
    choices: Vec<(String, String)>,
    references: Vec<String>,
    weights: Vec<(usize, f64)>,
    combinations: usize,
}

/// Computes the effects of a grid of at least two axes; none for other variants.
pub(super) fn effects(
    variants: &[VariantInfo],
    sample: &Sample,
    baseline: usize,
    settings: Settings,
) -> Vec<Effect> {
    let plans = plan(variants, baseline);
    if plans.is_empty() || plans.len() > EFFECTS_MAX {
        return Vec::new();
    }
    let contrasts = weighted(sample, &plans);
    let zero = plans.len();
    let differences: Vec<_> = (0..zero).map(|place| Contrast::Difference(place, zero)).collect();
    let draws = Draws::new(&contrasts, &differences, settings.draws, settings.seed);
    let mut found: Vec<Effect> = plans
        .into_iter()
        .zip(&differences)
        .enumerate()
        .filter_map(|(place, (plan, contrast))| {
            let mut spread = Spread::of(&contrasts, *contrast)?;
            spread.range = None;
            let confidence = settings.confidence;
            let own = draws.of(place);
            let ends =
                interval(&contrasts, *contrast, &spread, &own, confidence, draws.blocks).ok();
            let (p_value, _) = sign_flip(&spread.unit_sums, settings.seed);
            Some(Effect {
                choices: plan.choices,
                references: plan.references,
                effect: spread.estimate,
                ci_low: ends.map(|ends| ends.low),
                ci_high: ends.map(|ends| ends.high),
                p_value,
                p_adjusted: p_value,
                combinations: plan.combinations,
                cases: spread.cases,
            })
        })
        .collect();
    let p_values: Vec<_> = found.iter().map(|effect| effect.p_value).collect();
    for (effect, p) in found.iter_mut().zip(settings.correction.adjust(&p_values)) {
        effect.p_adjusted = p;
    }
    found
}

/// How effects are estimated.
#[derive(Clone, Copy)]
pub(super) struct Settings {
    pub(super) confidence: f64,
    pub(super) correction: Correction,
    pub(super) draws: usize,
    pub(super) seed: u64,
}

/// The effects as variants of a sample, and a last variant that is 0 throughout.
fn weighted(sample: &Sample, plans: &[Plan]) -> Sample {
    let zero = plans.len();
    let mut observations = Vec::new();
    for case in 0..sample.cases() {
        for (row, repeat) in sample.rows_of(case).zip(0..) {
            let at = |variant, value| Observation { variant, case, repeat, value };
            observations.push(at(zero, 0.0));
            for (place, plan) in plans.iter().enumerate() {
                let terms = plan
                    .weights
                    .iter()
                    .map(|(variant, weight)| sample.filled(case, row, *variant) * weight);
                // NaN where a variant lacks the case: the sample leaves it out.
                observations.push(at(place, terms.sum()));
            }
        }
    }
    let groups: Vec<_> = sample.units().iter().map(|unit| Some(*unit)).collect();
    Sample::new(zero + 1, &groups, &observations)
}

type Choices<'a> = BTreeMap<&'a str, &'a str>;

fn plan(variants: &[VariantInfo], baseline: usize) -> Vec<Plan> {
    let Some(grid) = Grid::new(variants, baseline) else { return Vec::new() };
    let mut plans = Vec::new();
    for (axis, levels) in &grid.axes {
        for level in levels {
            plans.extend(grid.main(axis, level));
        }
    }
    let axes: Vec<_> = grid.axes.iter().collect();
    for (place, (axis, levels)) in axes.iter().enumerate() {
        for (other_axis, other_levels) in &axes[place + 1..] {
            for level in *levels {
                for other in *other_levels {
                    plans.extend(grid.interaction((axis, level), (other_axis, other)));
                }
            }
        }
    }
    plans
}

struct Grid<'a> {
    by_choices: BTreeMap<Choices<'a>, usize>,
    reference: Choices<'a>,
    /// Each axis with its choices that are not the reference.
    axes: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Grid<'a> {
    /// Returns the grid that the variants with the most axes form. `None` where some of these have
    /// other axes, fewer than two axes have several choices, or a combination is there twice.
    fn new(variants: &'a [VariantInfo], baseline: usize) -> Option<Self> {
        let choices = |variant: &'a VariantInfo| -> Choices<'a> {
            variant.factors.iter().map(|(axis, level)| (axis.as_str(), level.as_str())).collect()
        };
        let most = variants.iter().map(|variant| variant.factors.len()).max()?;
        let is_in_grid = |place: &usize| variants[*place].factors.len() == most;
        let places = (0..variants.len()).filter(is_in_grid);
        // A baseline beside the grid, with nothing chosen, is no point of it.
        let first = if is_in_grid(&baseline) { Some(baseline) } else { places.clone().next() };
        let reference = choices(&variants[first?]);
        let mut by_choices = BTreeMap::new();
        let mut axes: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for place in places {
            let own = choices(&variants[place]);
            if !own.keys().eq(reference.keys()) {
                return None;
            }
            for (axis, level) in &own {
                let levels = axes.entry(axis).or_default();
                if reference.get(axis) != Some(level) && !levels.contains(level) {
                    levels.push(level);
                }
            }
            if by_choices.insert(own, place).is_some() {
                return None;
            }
        }
        axes.retain(|_, levels| !levels.is_empty());
        (axes.len() > 1).then_some(Self { by_choices, reference, axes })
    }

    fn with(choices: &Choices<'a>, axis: &'a str, level: &'a str) -> Choices<'a> {
        let mut choices = choices.clone();
        choices.insert(axis, level);
        choices
    }

    fn main(&self, axis: &'a str, level: &'a str) -> Option<Plan> {
        let base = self.reference[axis];
        let pairs: Vec<(usize, usize)> = self
            .by_choices
            .iter()
            .filter(|(choices, _)| choices[axis] == level)
            .filter_map(|(choices, own)| {
                Some((*own, *self.by_choices.get(&Self::with(choices, axis, base))?))
            })
            .collect();
        let share = 1.0 / count(pairs.len());
        let weights: Vec<_> =
            pairs.iter().flat_map(|(own, base)| [(*own, share), (*base, -share)]).collect();
        (!weights.is_empty()).then(|| Plan {
            choices: vec![(axis.to_owned(), level.to_owned())],
            references: vec![base.to_owned()],
            weights,
            combinations: pairs.len(),
        })
    }

    fn interaction(&self, one: (&'a str, &'a str), other: (&'a str, &'a str)) -> Option<Plan> {
        let (base, other_base) = (self.reference[one.0], self.reference[other.0]);
        let squares: Vec<[usize; 4]> = self
            .by_choices
            .iter()
            .filter(|(choices, _)| choices[one.0] == one.1 && choices[other.0] == other.1)
            .filter_map(|(choices, both)| {
                let without_one = Self::with(choices, one.0, base);
                let without_other = Self::with(choices, other.0, other_base);
                let neither = Self::with(&without_one, other.0, other_base);
                let place = |choices: &Choices<'a>| self.by_choices.get(choices).copied();
                Some([*both, place(&without_one)?, place(&without_other)?, place(&neither)?])
            })
            .collect();
        let share = 1.0 / count(squares.len());
        let signed = |[both, left, right, neither]: &[usize; 4]| {
            [(*both, share), (*left, -share), (*right, -share), (*neither, share)]
        };
        let weights: Vec<_> = squares.iter().flat_map(signed).collect();
        let text = |(axis, level): (&str, &str)| (axis.to_owned(), level.to_owned());
        (!weights.is_empty()).then(|| Plan {
            choices: vec![text(one), text(other)],
            references: vec![base.to_owned(), other_base.to_owned()],
            weights,
            combinations: squares.len(),
        })
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small counts")]
mod tests {
    use super::*;

    fn variant(retriever: &str, generator: &str) -> VariantInfo {
        VariantInfo {
            name: format!("{retriever},{generator}"),
            factors: vec![
                ("retriever".to_owned(), retriever.to_owned()),
                ("generator".to_owned(), generator.to_owned()),
            ],
        }
    }

    #[test]
    fn main_effects_and_the_interaction_of_a_square() {
        let variants = [variant("b", "b"), variant("b", "s"), variant("d", "b"), variant("d", "s")];
        // Each case: base, + 1 for s, + 2 for d, + 4 for both.
        let observations: Vec<_> = (0..12)
            .flat_map(|case| {
                let base = case as f64;
                [0.0, 1.0, 2.0, 7.0].into_iter().enumerate().map(move |(variant, more)| {
                    let wobble = ((case * 4 + variant) as f64).sin() * 1e-3;
                    Observation { variant, case, repeat: 0, value: base + more + wobble }
                })
            })
            .collect();
        let sample = Sample::new(4, &[None; 12], &observations);
        let settings =
            Settings { confidence: 0.95, correction: Correction::Holm, draws: 500, seed: 0 };
        let found = effects(&variants, &sample, 0, settings);
        let of = |text: &str| {
            let name = |effect: &&Effect| {
                let names: Vec<_> = effect.choices.iter().map(|one| one.1.as_str()).collect();
                names.join("+") == text
            };
            found.iter().find(name).unwrap()
        };
        assert!((of("s").effect - 3.0).abs() < 0.01 && (of("d").effect - 4.0).abs() < 0.01);
        let both = of("s+d");
        assert!((both.effect - 4.0).abs() < 0.01, "{both:?}");
        assert!(both.ci_low.unwrap() < 4.001 && both.ci_high.unwrap() > 3.999);
        assert!(both.p_value < 0.001 && both.p_adjusted <= 3.0 * both.p_value);
        assert_eq!((of("d").combinations, both.combinations), (2, 1));
    }

    #[test]
    fn a_single_axis_has_no_effects() {
        let one = |level: &str| VariantInfo {
            name: level.to_owned(),
            factors: vec![("model".to_owned(), level.to_owned())],
        };
        assert!(plan(&[one("a"), one("b")], 0).is_empty());
    }
}
