//! Which variant is best, and which cannot be told apart from it.
//!
//! The contest is held on the cases where all who take part have a value, so that nobody is ahead by
//! having been spared the hard ones.

use wtb_model::Direction;

use crate::contrast::{Contrast, Spread};
use crate::interval::count;
use crate::multiplicity::Correction;
use crate::paired::{PairedTest, paired_test};
use crate::resample::Draws;
use crate::sample::Sample;

/// Beyond this many variants only the chance of being best is told, and no distribution of ranks.
pub const RANKED_MAX: usize = 64;

/// From fewer units than this nothing can be found at 95 %: five wins of five have a p-value of 0.06. Draws
/// of them would know better than the tests.
pub const UNITS_MIN: usize = 6;

/// How the variants of a sample stand to the one with the best mean.
#[derive(Debug, Clone, PartialEq)]
pub struct Contest {
    /// The variants that take part, by their places in the sample.
    pub variants: Vec<usize>,
    /// How many cases all of them have.
    pub cases: usize,
    /// The variant with the best mean.
    pub leader: usize,
    /// The variants that cannot be told apart from the leader, and the leader.
    pub best_set: Vec<usize>,
    /// Each one's chance of having the best mean, 0 to 1, in the order of `variants`; none for fewer
    /// units than [`UNITS_MIN`].
    pub p_best: Vec<f64>,
    /// Each one's chances of being first, second, and so on; none beyond [`RANKED_MAX`] variants.
    pub ranks: Vec<Vec<f64>>,
}

/// What a contest is held by.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether larger or smaller is better.
    pub direction: Direction,
    /// How sure one wants to be, as 0.95.
    pub confidence: f64,
    /// How many draws of the bootstrap the chances are read from.
    pub draws: usize,
    /// Seeds draws and tests.
    pub seed: u64,
}

impl Contest {
    /// Holds a contest among some variants of a sample; `None` for fewer than two, or without a case
    /// that all have.
    ///
    /// A variant leaves the best set when it differs from the leader in a paired test, corrected by Holm
    /// for the number of rivals, whatever correction the comparison reports: that a single one is
    /// named best although all are alike then happens in at most 1 - confidence of the cases.
    ///
    /// `drawn` may hold draws of the means of all variants of the sample, which are used where they fit.
    pub fn hold(
        sample: &Sample,
        variants: &[usize],
        rules: Rules,
        drawn: Option<&Draws>,
    ) -> Option<Self> {
        if variants.len() < 2 {
            return None;
        }
        let shared = sample.shared_by(variants);
        if shared.cases() == 0 {
            return None;
        }
        let sign = if rules.direction == Direction::Max { 1.0 } else { -1.0 };
        let means: Vec<f64> = (0..variants.len())
            .map(|place| {
                (0..shared.cases()).map(|case| shared.mean(case, place)).sum::<f64>() * sign
            })
            .collect();
        let leader = (0..variants.len())
            .reduce(|best, one| if means[one] > means[best] { one } else { best })?;
        let rivals: Vec<Rival> = (0..variants.len())
            .map(|place| Rival::of(&shared, place, leader, rules.seed))
            .collect::<Option<_>>()?;
        let best_set = best_set(&rivals, leader, 1.0 - rules.confidence);
        let (p_best, ranks) = if shared.unit_count() < UNITS_MIN {
            (Vec::new(), Vec::new())
        } else {
            let standings = standings(
                &shared,
                &rivals,
                leader,
                sign,
                |place| {
                    let fits = shared.cases() == sample.cases();
                    drawn.filter(|_| fits).map(|draws| draws.of(variants[place]).into_owned())
                },
                rules,
            );
            chances(&standings)
        };
        Some(Self {
            variants: variants.to_vec(),
            cases: shared.cases(),
            leader: variants[leader],
            best_set: best_set.into_iter().map(|place| variants[place]).collect(),
            p_best,
            ranks,
        })
    }
}

/// How a variant stands to the leader.
struct Rival {
    /// Its mean less the leader's.
    difference: f64,
    standard_error: f64,
    test: PairedTest,
}

impl Rival {
    fn of(shared: &Sample, place: usize, leader: usize, seed: u64) -> Option<Self> {
        let contrast = Contrast::Difference(place, leader);
        let spread = Spread::of(shared, contrast)?;
        let test = if shared.has_equal_repeats(place, leader) {
            paired_test(shared, contrast, &spread, seed)
        } else {
            let pair = shared.paired(place, leader);
            let contrast = Contrast::Difference(0, 1);
            paired_test(&pair, contrast, &Spread::of(&pair, contrast)?, seed)
        };
        Some(Self {
            difference: spread.estimate,
            standard_error: spread.standard_error.unwrap_or(0.0),
            test,
        })
    }
}

fn best_set(rivals: &[Rival], leader: usize, alpha: f64) -> Vec<usize> {
    let others: Vec<usize> = (0..rivals.len()).filter(|place| *place != leader).collect();
    let p_values: Vec<_> = others.iter().map(|place| rivals[*place].test.p_value).collect();
    let adjusted = Correction::Holm.adjust(&p_values);
    let mut set: Vec<_> = others
        .into_iter()
        .zip(adjusted)
        .filter(|(_, p)| *p > alpha)
        .map(|(place, _)| place)
        .collect();
    set.push(leader);
    set.sort_unstable();
    set
}

/// Where each variant stands in each draw: its difference to the leader, above 0 if it is better.
/// Differences are scaled to their standard errors, as intervals are.
fn standings(
    shared: &Sample,
    rivals: &[Rival],
    leader: usize,
    sign: f64,
    drawn: impl Fn(usize) -> Option<Vec<f64>>,
    rules: Rules,
) -> Vec<Vec<f64>> {
    let all: Option<Vec<Vec<f64>>> = (0..rivals.len()).map(drawn).collect();
    let all = all.unwrap_or_else(|| {
        let contrasts: Vec<_> = (0..rivals.len()).map(Contrast::Mean).collect();
        let found = Draws::new(shared, &contrasts, rules.draws, rules.seed);
        (0..rivals.len()).map(|place| found.of(place).into_owned()).collect()
    });
    rivals.iter().zip(&all).map(|(rival, own)| standing(own, &all[leader], rival, sign)).collect()
}

/// Counts who is first, second, and so on in the draws. Those that are tied share their ranks.
fn chances(standings: &[Vec<f64>]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let variants = standings.len();
    let draws = standings.first().map_or(0, Vec::len);
    let share = 1.0 / count(draws);
    let mut first = vec![0.0; variants];
    let mut ranks = vec![vec![0.0; variants]; if variants <= RANKED_MAX { variants } else { 0 }];
    let mut own = vec![0.0; variants];
    for draw in 0..draws {
        for (value, standings) in own.iter_mut().zip(standings) {
            *value = standings[draw];
        }
        if ranks.is_empty() {
            let best = own.iter().copied().fold(f64::MIN, f64::max);
            let tied = own.iter().filter(|value| **value >= best).count();
            for (first, _) in first.iter_mut().zip(&own).filter(|(_, value)| **value >= best) {
                *first += share / count(tied);
            }
            continue;
        }
        for (ranks, value) in ranks.iter_mut().zip(&own) {
            let ahead = own.iter().filter(|other| *other > value).count();
            let up_to = own.iter().filter(|other| *other >= value).count();
            for rank in &mut ranks[ahead..up_to] {
                *rank += share / count(up_to - ahead);
            }
        }
    }
    if !ranks.is_empty() {
        first = ranks.iter().map(|own| own[0]).collect();
    }
    (first, ranks)
}

fn standing(own: &[f64], leader: &[f64], rival: &Rival, sign: f64) -> Vec<f64> {
    let differences: Vec<f64> = own.iter().zip(leader).map(|(own, leader)| own - leader).collect();
    let squares = differences.iter().map(|one| (one - rival.difference).powi(2)).sum::<f64>();
    let deviation = (squares / count(differences.len())).sqrt();
    let scale = if deviation > 0.0 { rival.standard_error / deviation } else { 0.0 };
    differences
        .into_iter()
        .map(|one| sign * scale.mul_add(one - rival.difference, rival.difference))
        .collect()
}
