//! Properties of the pure parts: how long cells wait and in which order they run.

use std::collections::BTreeSet;

use proptest::prelude::*;
use wtb_scheduler::{Backoff, CellIndex, ConfigError, Coordinates, Millis, comparable_order};

fn any_backoff() -> impl Strategy<Value = Backoff> {
    (0..100_000_u64, 1.0..8.0_f64, 0..10_000_000_u64, 0.0..=1.0_f64).prop_map(
        |(initial, factor, more, jitter)| Backoff {
            initial: Millis(initial),
            factor,
            max: Millis(initial + more),
            jitter,
        },
    )
}

proptest! {
    #[test]
    fn waits_stay_in_their_range(backoff in any_backoff(), failure in 1..u32::MAX, random: u64) {
        let (delay, range) = (backoff.delay(failure, random), backoff.range(failure));
        prop_assert!(range.contains(&delay), "{delay} is not in {range:?}");
        prop_assert!(*range.end() <= backoff.max);
        prop_assert!(*range.end() >= backoff.initial.min(backoff.max));
    }

    #[test]
    fn waits_do_not_shrink_with_failures(backoff in any_backoff(), failure in 1..200_u32) {
        prop_assert!(backoff.range(failure).end() <= backoff.range(failure + 1).end());
        prop_assert!(backoff.range(failure).start() <= backoff.range(failure + 1).start());
    }

    #[test]
    fn without_jitter_nothing_is_random(backoff in any_backoff(), failure: u32, random: u64) {
        let steady = Backoff { jitter: 0.0, ..backoff };
        prop_assert_eq!(steady.delay(failure, random), steady.delay(failure, 0));
    }

    #[test]
    fn every_cell_comes_once(
        seed: u64, cases in 0..40_u32, variants in 0..6_u32, repeats in 0..4_u32,
    ) {
        let order = comparable_order(seed, cases, variants, repeats).unwrap();
        let all: Vec<Coordinates> = order.iter().collect();
        let distinct: BTreeSet<_> = all.iter().map(|at| (at.repeat, at.case, at.variant)).collect();
        prop_assert_eq!(all.len(), (cases * variants * repeats) as usize);
        prop_assert_eq!(distinct.len(), all.len());
        let inside = |at: &Coordinates| {
            at.case < cases && at.variant < variants && at.repeat < repeats
        };
        prop_assert!(all.iter().all(inside));
        prop_assert_eq!(order.get(CellIndex(order.len())), None);
    }

    #[test]
    fn variants_of_a_case_are_neighbours_and_repeats_outermost(
        seed: u64, cases in 1..40_u32, variants in 1..6_u32, repeats in 1..4_u32,
    ) {
        let all: Vec<Coordinates> = comparable_order(seed, cases, variants, repeats).unwrap().iter().collect();
        for block in all.chunks(variants as usize) {
            let same = block.iter().all(|at| (at.case, at.repeat) == (block[0].case, block[0].repeat));
            prop_assert!(same, "{block:?}");
        }
        prop_assert!(all.is_sorted_by_key(|at| at.repeat));
    }

    #[test]
    fn more_variants_and_repeats_keep_the_order_of_cases(
        seed: u64, cases in 1..40_u32, variants in 1..6_u32, repeats in 1..4_u32,
    ) {
        let case_order = |variants, repeats| -> Vec<u32> {
            let order = comparable_order(seed, cases, variants, repeats).unwrap();
            let first = order.iter().filter(|at| at.variant == 0 && at.repeat == 0);
            first.map(|at| at.case).collect()
        };
        prop_assert_eq!(case_order(1, 1), case_order(variants, repeats));
    }
}

#[test]
fn order_of_a_seed_never_changes() {
    let order = comparable_order(42, 10, 2, 1).unwrap();
    let cases: Vec<u32> = order.iter().step_by(2).map(|at| at.case).collect();
    assert_eq!(cases, GOLDEN_ORDER);
}

/// Stored batches rely on it: a batch that is resumed must find its cells where they were.
const GOLDEN_ORDER: [u32; 10] = [8, 3, 6, 5, 4, 0, 9, 2, 1, 7];

#[test]
fn a_batch_that_cannot_be_numbered_is_refused() {
    let error = comparable_order(0, u32::MAX, 2, 1).unwrap_err();
    assert_eq!(error, ConfigError::TooManyCells { cells: u128::from(u32::MAX) * 2 });
}
