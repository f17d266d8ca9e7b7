//! A bounded memory of objects: forgetting one costs a look into the database, no more.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Hash;

/// How many hashes one generation holds; two generations are kept (some 10 MB at the most).
const GENERATION_MAX: usize = 65_536;

/// What is remembered longer might have been collected by another program in the meantime; see
/// `sqlite/collect.rs`.
pub const REMEMBERED_FOR: Duration = Duration::from_mins(5);

/// Remembers something about the objects used most recently: when the young generation is full it
/// becomes the old one, and the old one is forgotten. What is asked for moves to the young one.
#[derive(Debug)]
pub(super) struct Hashes<T> {
    young: HashMap<Hash, T>,
    old: HashMap<Hash, T>,
    begun: Instant,
}

impl<T> Default for Hashes<T> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), begun: Instant::now() }
    }
}

impl<T: Copy> Hashes<T> {
    /// Remembers something about an object.
    pub(super) fn insert(&mut self, hash: Hash, known: T) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash, known);
    }

    /// Returns what is remembered of an object.
    pub(super) fn get(&mut self, hash: &Hash) -> Option<T> {
        if self.begun.elapsed() > REMEMBERED_FOR {
            *self = Self::default();
        }
        if let Some(known) = self.young.get(hash) {
            return Some(*known);
        }
        let known = self.old.remove(hash)?;
        self.insert(*hash, known);
        Some(known)
    }

    /// Forgets an object.
    pub(super) fn remove(&mut self, hash: &Hash) {
        self.young.remove(hash);
        self.old.remove(hash);
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> Hash {
        *blake3::hash(&number.to_le_bytes()).as_bytes()
    }

    #[test]
    fn old_hashes_are_forgotten_and_used_ones_are_not() {
        let mut hashes = Hashes::default();
        for number in 0..=2 * GENERATION_MAX {
            hashes.insert(hash(number), number);
            assert_eq!(hashes.get(&hash(0)), Some(0), "asked for all the time, after {number}");
        }
        assert_eq!(hashes.get(&hash(1)), None, "asked for long ago");
        assert!(hashes.young.len() + hashes.old.len() <= 2 * GENERATION_MAX);
        hashes.remove(&hash(0));
        assert_eq!(hashes.get(&hash(0)), None);
    }
}
