//! What a value has in common with the one before it: the difference of two byte strings.
//!
//! Values that grow (lists of messages) are serialised anew at each step: a few bytes of a header
//! change, much stays, something is added. The difference is found in one pass over the new bytes:
//! as long as they go on like the old ones, they are compared and nothing is computed. Where they
//! part, content-defined boundaries (`FastCDC`, Xia et al. 2020: a boundary depends on the bytes
//! before it alone) say where both may meet again, so that insertions and removals shift nothing.
//!
//! Pure: it knows nothing of hashes of objects and of stores.

use std::collections::HashMap;
use std::ops::Range;

use fastcdc::v2020::FastCDC;

/// Bounds of the distance of boundaries, in bytes.
const CHUNK_BYTES: (usize, usize, usize) = (256, 1024, 8192);
/// What follows a boundary and has to be the same for two boundaries to be the same.
const WINDOW: usize = 32;
/// Shorter copies cost more to note than to repeat.
const COPY_BYTES_MIN: usize = 64;

/// A stretch of the new bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Run {
    /// The same as these old bytes.
    Copy(Range<usize>),
    /// These new bytes themselves.
    New(Range<usize>),
}

/// A difference, and the boundaries seen on the way, which the next one begins with.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    pub(crate) runs: Vec<Run>,
    pub(crate) boundaries: Vec<usize>,
}

/// Returns the content-defined boundaries of bytes, without their begin and end.
pub(crate) fn boundaries(bytes: &[u8]) -> Vec<usize> {
    let (min, average, max) = CHUNK_BYTES;
    let ends = FastCDC::new(bytes, min, average, max).map(|chunk| chunk.offset + chunk.length);
    ends.filter(|end| *end < bytes.len()).collect()
}

/// Returns how `new` is made of `old`, whose boundaries are known.
pub(crate) fn difference(old: &[u8], old_boundaries: &[usize], new: &[u8]) -> Difference {
    let (min, average, max) = CHUNK_BYTES;
    let cutter = FastCDC::new(new, min, average, max);
    let mut meeting_points: Option<HashMap<&[u8], usize>> = None;
    let mut found = Difference::default();
    let mut at = common_start(old, new);
    let mut literal = 0;
    if at >= COPY_BYTES_MIN {
        found.add(0..0, Some((0..at, old_boundaries)));
        literal = at;
    }
    while at < new.len() {
        let boundary = cutter.cut(at, new.len() - at).1.max(at + 1);
        at = boundary;
        let Some(window) = new.get(boundary..boundary + WINDOW) else { break };
        // As a rule a header of the same length has changed, and the rest is where it was.
        let is_in_place = old.get(boundary..boundary + WINDOW) == Some(window);
        let from = if is_in_place {
            Some(boundary)
        } else {
            let points = meeting_points.get_or_insert_with(|| windows(old, old_boundaries));
            points.get(window).copied()
        };
        if let Some(from) = from {
            let before = common_end(&old[..from], &new[literal..boundary]);
            let after = common_start(&old[from..], &new[boundary..]);
            if before + after >= COPY_BYTES_MIN {
                let begin = boundary - before;
                found.boundaries.truncate(found.boundaries.partition_point(|one| *one < begin));
                found.add(literal..begin, Some((from - before..from + after, old_boundaries)));
                at = boundary + after;
                literal = at;
                continue;
            }
        }
        found.boundaries.push(boundary);
    }
    found.add(literal..new.len(), None);
    found
}

impl Difference {
    /// Adds a stretch of new bytes and then a copy, whose boundaries are those of the old bytes.
    fn add(&mut self, literal: Range<usize>, copy: Option<(Range<usize>, &[usize])>) {
        let begin = literal.end;
        if !literal.is_empty() {
            self.runs.push(Run::New(literal));
        }
        let Some((copy, boundaries)) = copy else { return };
        let first = boundaries.partition_point(|boundary| *boundary <= copy.start);
        let inside = boundaries[first..].iter().take_while(|boundary| **boundary < copy.end);
        self.boundaries.extend(inside.map(|boundary| begin + (boundary - copy.start)));
        self.runs.push(Run::Copy(copy));
    }
}

/// What follows each boundary. Of two that look alike the last counts, as good as the first.
fn windows<'old>(old: &'old [u8], boundaries: &[usize]) -> HashMap<&'old [u8], usize> {
    let windows = boundaries.iter().filter_map(|at| Some((old.get(*at..at + WINDOW)?, *at)));
    windows.collect()
}

/// How many bytes two strings begin with alike; compared in large steps first.
fn common_start(left: &[u8], right: &[u8]) -> usize {
    const STEP: usize = 1024;
    let steps = left.chunks_exact(STEP).zip(right.chunks_exact(STEP));
    let same = STEP * steps.take_while(|(left, right)| left == right).count();
    let rest = left[same..].iter().zip(&right[same..]);
    same + rest.take_while(|(left, right)| left == right).count()
}

/// How many bytes two strings end with alike.
fn common_end(left: &[u8], right: &[u8]) -> usize {
    left.iter().rev().zip(right.iter().rev()).take_while(|(left, right)| left == right).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::sample::noise;

    fn rebuilt(old: &[u8], new: &[u8], runs: &[Run]) -> Vec<u8> {
        let parts = runs.iter().map(|run| match run {
            Run::Copy(range) => &old[range.clone()],
            Run::New(range) => &new[range.clone()],
        });
        parts.collect::<Vec<_>>().concat()
    }

    fn copied(runs: &[Run]) -> usize {
        let lengths = runs.iter().map(|run| match run {
            Run::Copy(range) => range.len(),
            Run::New(_) => 0,
        });
        lengths.sum()
    }

    proptest! {
        #[test]
        fn the_runs_make_the_new_bytes(old: Vec<u8>, new: Vec<u8>) {
            let found = difference(&old, &boundaries(&old), &new);
            prop_assert_eq!(rebuilt(&old, &new, &found.runs), new);
        }

        #[test]
        fn what_stays_is_copied_whatever_happens_around_it(
            seed: u64,
            cut in 0_usize..20_000,
            removed in 0_usize..3_000,
            added in prop::collection::vec(any::<u8>(), 0..3_000),
        ) {
            let old = noise(seed, 40_000);
            let end = (cut + removed).min(old.len());
            let new = [b"head", &old[..cut], added.as_slice(), &old[end..]].concat();
            let found = difference(&old, &boundaries(&old), &new);
            prop_assert_eq!(rebuilt(&old, &new, &found.runs), new);
            prop_assert!(copied(&found.runs) + 20_000 > old.len() - removed, "{:?}", found.runs);
        }

        #[test]
        fn boundaries_go_on_from_step_to_step(seed: u64, steps in 1_usize..30) {
            // Longer than the largest distance, so that there is a boundary to meet at.
            let mut old = noise(seed, 10_000);
            let mut known = boundaries(&old);
            for step in 0..steps {
                let mut new = old.clone();
                new[0] = new[0].wrapping_add(1);
                new.extend(noise(seed.wrapping_add(1 + step as u64), 700));
                let found = difference(&old, &known, &new);
                prop_assert_eq!(&rebuilt(&old, &new, &found.runs), &new);
                prop_assert!(found.boundaries.is_sorted());
                prop_assert!(copied(&found.runs) + 1_500 > old.len(), "step {}: {:?}", step, found.runs);
                (old, known) = (new, found.boundaries);
            }
        }
    }

    #[test]
    fn a_growing_list_costs_its_header_and_what_was_added() {
        let items = noise(7, 100_000);
        let old = [&[0xdc, 0, 50], items.as_slice()].concat();
        let new = [&[0xdc, 0, 51], items.as_slice(), &noise(8, 900)].concat();
        let found = difference(&old, &boundaries(&old), &new);
        let expected = [Run::New(0..3), Run::Copy(3..100_003), Run::New(100_003..100_903)];
        assert_eq!(found.runs, expected);
    }
}
