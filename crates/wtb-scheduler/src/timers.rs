//! Things that fall due: a heap of instants whose entries are dropped lazily.
//!
//! An entry is not removed when what it waits for becomes moot; the owner says which entries are
//! still live. [`Timers::prune`] keeps two promises: the first entry is live, so the next wake-up is
//! exact, and the heap holds at most about twice as many entries as are live.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::ids::Millis;

/// Dead entries are tolerated up to this many plus as many as there are live ones.
const DEAD_ENTRIES_MAX: usize = 64;

/// A queue of keys by the instant at which they fall due; at the same instant the lowest key first.
#[derive(Clone, Debug)]
pub(crate) struct Timers<K> {
    heap: BinaryHeap<Reverse<(Millis, K)>>,
}

impl<K: Ord + Copy> Timers<K> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    pub(crate) fn push(&mut self, at: Millis, key: K) {
        self.heap.push(Reverse((at, key)));
    }

    /// Returns when the first entry falls due.
    pub(crate) fn next(&self) -> Option<Millis> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// Removes and returns the first entry if it is due.
    pub(crate) fn pop_due(&mut self, now: Millis) -> Option<(Millis, K)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }

    /// Drops entries that are not live: those in front, and all of them when there are too many.
    /// `expected` is the number of live entries, or more.
    pub(crate) fn prune(&mut self, expected: usize, live: impl Fn(Millis, K) -> bool) {
        if self.heap.len() > 2 * expected + DEAD_ENTRIES_MAX {
            let mut entries = std::mem::take(&mut self.heap).into_vec();
            entries.retain(|Reverse((at, key))| live(*at, *key));
            // A key that came and went within one instant has several equal entries.
            entries.sort_unstable();
            entries.dedup();
            self.heap = entries.into();
        }
        while self.heap.peek().is_some_and(|Reverse((at, key))| !live(*at, *key)) {
            self.heap.pop();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.heap = BinaryHeap::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_by_instant_and_then_by_key() {
        let mut timers = Timers::new();
        for (at, key) in [(5, 2), (3, 9), (5, 1), (8, 0)] {
            timers.push(Millis(at), key);
        }
        let due: Vec<_> = std::iter::from_fn(|| timers.pop_due(Millis(5))).collect();
        assert_eq!(due, [(Millis(3), 9), (Millis(5), 1), (Millis(5), 2)]);
        assert_eq!(timers.next(), Some(Millis(8)));
    }

    #[test]
    fn dead_entries_never_pile_up() {
        let mut timers = Timers::new();
        timers.push(Millis(1), 0_u64);
        for key in 1..10_000 {
            timers.push(Millis(10), key);
            timers.prune(2, |_, live| live == 0 || live == key);
            assert!(timers.heap.len() <= 2 * 2 + DEAD_ENTRIES_MAX + 1);
        }
        assert_eq!(timers.next(), Some(Millis(1)));
    }

    #[test]
    fn equal_entries_never_pile_up() {
        let mut timers = Timers::new();
        for _ in 0..10_000 {
            timers.push(Millis(10), 1);
            timers.prune(1, |_, _| true);
            assert!(timers.heap.len() <= 2 + DEAD_ENTRIES_MAX + 1);
        }
    }
}
