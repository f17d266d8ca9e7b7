//! Simulations: intervals contain the truth as often as they say, and chance is seldom called a finding.
#![expect(clippy::cast_precision_loss, clippy::unwrap_used, reason = "small counts, in tests")]

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use wtb_evaluation::paired::paired_test;
use wtb_evaluation::{
    Contest, Contrast, Draws, Interval, Observation, Rules, Sample, Spread, interval, wilson,
};
use wtb_model::Direction;

struct World(Xoshiro256PlusPlus);

impl World {
    fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }

    fn coin(&mut self, p: f64) -> f64 {
        f64::from(u8::from(self.uniform() < p))
    }
}

const DRAWS: usize = 1_000;

fn interval_of(sample: &Sample, contrast: Contrast) -> Option<Interval> {
    let spread = Spread::of(sample, contrast)?;
    let draws = Draws::new(sample, &[contrast], DRAWS, 1);
    interval(sample, contrast, &spread, &draws.of(0), 0.95, draws.blocks).ok()
}

/// The share of `worlds` whose interval contains the truth.
fn coverage(
    worlds: u64,
    truth: f64,
    contrast: Contrast,
    mut make: impl FnMut(&mut World) -> Sample,
) -> f64 {
    let mut is_covered = |seed: &u64| {
        let found = interval_of(&make(&mut World::new(*seed)), contrast);
        found.is_some_and(|one| one.low <= truth && truth <= one.high)
    };
    (0..worlds).filter(|seed| is_covered(seed)).count() as f64 / worlds as f64
}

/// Cases of which each variant's repeats come from `value(case's own draw, variant)`.
fn sample(
    world: &mut World,
    variants: usize,
    cases: usize,
    repeats: u32,
    group_of: impl Fn(usize) -> Option<u32>,
    mut case: impl FnMut(&mut World, usize) -> f64,
    mut value: impl FnMut(&mut World, f64, usize) -> f64,
) -> Sample {
    let mut observations = Vec::new();
    for place in 0..cases {
        let level = case(world, place);
        for repeat in 0..repeats {
            for variant in 0..variants {
                let value = value(world, level, variant);
                observations.push(Observation { variant, case: place, repeat, value });
            }
        }
    }
    let groups: Vec<_> = (0..cases).map(group_of).collect();
    Sample::new(variants, &groups, &observations)
}

/// With 1,000 worlds a share of 0.95 is found within 0.93 and 0.97, all but once in 200 times; seeds
/// are fixed.
fn assert_covers(what: &str, found: f64) {
    assert!((0.93..=0.99).contains(&found), "{what}: {found}");
}

fn alone(_: usize) -> Option<u32> {
    None
}

#[test]
fn wilsons_mean_coverage_of_twenty_coins_is_nominal() {
    let n = 20_u32;
    let grid: Vec<f64> = (0..=180).map(|step| 0.05 + f64::from(step) * 0.005).collect();
    let mean = grid.iter().map(|p| exact_coverage(n, *p)).sum::<f64>() / grid.len() as f64;
    assert!((0.94..=0.97).contains(&mean), "{mean}");
}

/// The chance, over all outcomes of `n` coins, that the interval contains `p`.
fn exact_coverage(n: u32, p: f64) -> f64 {
    let mut probability = (1.0 - p).powi(i32::try_from(n).unwrap());
    let mut covered = 0.0;
    for passed in 0..=n {
        let (low, high) = wilson(f64::from(passed), f64::from(n), 0.95);
        if low <= p && p <= high {
            covered += probability;
        }
        probability *= f64::from(n - passed) / f64::from(passed + 1) * p / (1.0 - p);
    }
    covered
}

#[test]
fn tangos_mean_coverage_of_twenty_pairs_is_nominal() {
    let mut covered = 0.0;
    let rates = [0.1, 0.2, 0.4, 0.6];
    for discordant in rates {
        let found = coverage(1_000, discordant * 0.2, Contrast::Difference(1, 0), |world| {
            let pair = |world: &mut World, _| world.uniform();
            sample(world, 2, 20, 1, alone, pair, |_, level, variant| {
                // A share `discordant` of pairs differs, three of five times for the second.
                let is_won = level < discordant * 0.6;
                let is_lost = !is_won && level < discordant;
                f64::from(u8::from(if variant == 1 { is_won } else { is_lost }))
            })
        });
        covered += found / rates.len() as f64;
    }
    assert!((0.94..=0.975).contains(&covered), "{covered}");
}

#[test]
fn nested_draws_of_twenty_cases_cover() {
    let flat = |world: &mut World, _| world.normal();
    let found = coverage(1_000, 0.0, Contrast::Mean(0), |world| {
        sample(world, 1, 20, 1, alone, flat, |_, level, _| level)
    });
    assert_covers("a normal value for each case", found);
    let found = coverage(1_000, 0.5, Contrast::Mean(0), |world| {
        let difficulty = |world: &mut World, _| world.uniform();
        sample(world, 1, 20, 3, alone, difficulty, |world, level, _| world.coin(level))
    });
    assert_covers("three coins for each case", found);
    let found = coverage(1_000, 0.1, Contrast::Difference(1, 0), |world| {
        let difficulty = |world: &mut World, _| world.uniform() * 0.9;
        sample(world, 2, 20, 3, alone, difficulty, |world, level, variant| {
            world.coin(level + 0.1 * variant as f64)
        })
    });
    assert_covers("a difference with repeats", found);
    let found = coverage(1_000, 0.05, Contrast::Difference(1, 0), |world| {
        let difficulty = |world: &mut World, _| 0.9 + 0.05 * world.uniform();
        sample(world, 2, 20, 3, alone, difficulty, |world, level, variant| {
            world.coin(level + 0.05 * variant as f64)
        })
    });
    assert_covers("a difference close to the edge", found);
}

#[test]
fn differences_of_a_few_cases_cover() {
    let worlds = [(6, 100), (10, 100), (25, 100), (55, 100), (8, 20), (12, 20), (7, 12)];
    for ((unlike, cases), skewed) in worlds.iter().flat_map(|one| [(*one, false), (*one, true)]) {
        let found = coverage(1_000, 0.0, Contrast::Difference(1, 0), |world| {
            let alike = |_: &mut World, case: usize| f64::from(u8::from(case >= unlike));
            sample(world, 2, cases, 1, alone, alike, |world, is_alike, variant| {
                if is_alike > 0.5 || variant == 0 {
                    0.0
                } else if skewed {
                    -(1.0 - world.uniform()).ln() - 1.0
                } else {
                    world.normal()
                }
            })
        });
        let least = if skewed { 0.89 } else { 0.935 };
        assert!((least..=0.99).contains(&found), "{unlike} of {cases}, skewed: {skewed}: {found}");
    }
}

#[test]
fn draws_of_a_dozen_groups_cover() {
    let found = coverage(1_000, 0.0, Contrast::Mean(0), |world| {
        let effects: Vec<f64> = (0..12).map(|_| world.normal()).collect();
        let group = |case: usize| u32::try_from(case / 5).ok();
        let level = |world: &mut World, case: usize| effects[case / 5] + world.normal();
        sample(world, 1, 60, 2, group, level, |world, level, _| level + world.normal())
    });
    assert_covers("groups of five", found);
}

#[test]
fn groups_of_very_different_sizes_cover() {
    for sizes in [&[1, 1, 2, 3, 5, 8, 13, 21, 34][..], &[40, 3, 3, 3, 3, 3], &[30, 25, 2, 2, 1]] {
        let group_of: Vec<u32> =
            sizes.iter().zip(0..).flat_map(|(size, group)| vec![group; *size]).collect();
        let found = coverage(1_000, 0.0, Contrast::Mean(0), |world| {
            let effects: Vec<f64> = sizes.iter().map(|_| world.normal()).collect();
            let level = |world: &mut World, case: usize| {
                effects[group_of[case] as usize] + world.normal() / 2.0
            };
            let group = |case: usize| group_of.get(case).copied();
            sample(world, 1, group_of.len(), 1, group, level, |_, level, _| level)
        });
        assert!((0.93..=1.0).contains(&found), "{sizes:?}: {found}");
    }
}

#[test]
fn where_a_few_cases_decide_a_finding_is_not_made_of_their_absence() {
    let skewed = |world: &mut World| world.normal().exp() - 0.5_f64.exp();
    for (cases, at_most) in [(20, 0.09), (60, 0.08), (200, 0.07)] {
        let found = (0..1_000).filter(|seed| {
            let mut world = World::new(*seed);
            let level = |_: &mut World, _| 0.0;
            let sample = sample(&mut world, 2, cases, 1, alone, level, |world, _, variant| {
                if variant == 1 { skewed(world) } else { 0.0 }
            });
            let contrast = Contrast::Difference(1, 0);
            let spread = Spread::of(&sample, contrast).unwrap();
            paired_test(&sample, contrast, &spread, *seed).p_value <= 0.05
        });
        let found = found.count() as f64 / 1_000.0;
        assert!(found <= at_most, "{cases} cases: {found}");
    }
}

/// The contests of worlds without any difference.
fn contests_of_equals(
    worlds: u64,
    variants: usize,
    cases: usize,
    repeats: u32,
) -> impl Iterator<Item = Contest> {
    (0..worlds).map(move |seed| {
        let mut world = World::new(seed + 77);
        let difficulty = |world: &mut World, _| world.uniform();
        let sample =
            sample(&mut world, variants, cases, repeats, alone, difficulty, |world, level, _| {
                world.coin(level)
            });
        let all: Vec<_> = (0..variants).collect();
        let rules = Rules { direction: Direction::Max, confidence: 0.95, draws: 1, seed: 0 };
        Contest::hold(&sample, &all, rules, None).unwrap()
    })
}

/// The share of worlds without any difference in which a single variant is called best.
fn false_findings(worlds: u64, variants: usize, cases: usize, repeats: u32) -> f64 {
    let contests = contests_of_equals(worlds, variants, cases, repeats);
    contests.filter(|contest| contest.best_set.len() == 1).count() as f64 / worlds as f64
}

#[test]
fn what_is_as_good_as_the_best_is_seldom_left_out() {
    for (variants, cases, repeats) in [(2, 60, 3), (5, 40, 2), (12, 60, 2)] {
        let left_out: usize = contests_of_equals(500, variants, cases, repeats)
            .map(|contest| variants - contest.best_set.len())
            .sum();
        let found = left_out as f64 / (500 * variants) as f64;
        assert!(found <= 0.05, "{variants} variants, {cases} cases: {found}");
    }
}

#[test]
fn without_any_difference_a_best_is_seldom_called() {
    for (variants, cases, repeats) in [(2, 20, 1), (2, 60, 3), (3, 40, 1), (8, 40, 2)] {
        let found = false_findings(1_000, variants, cases, repeats);
        assert!(found <= 0.065, "{variants} variants, {cases} cases: {found}");
    }
    let found = false_findings(2_000, 2, 100, 3);
    assert!((0.03..=0.065).contains(&found), "the test does not waste its error either: {found}");
}
