//! A bounded memory of object hashes: forgetting one costs a look into the database, no more.

use std::collections::HashSet;

/// The hash that names an object.
pub type Hash = [u8; 32];

/// How many hashes one generation holds; two generations are kept (some 10 MB at the most).
const GENERATION_MAX: usize = 65_536;

/// Remembers the hashes used most recently: when the young generation is full it becomes the old
/// one, and the old one is forgotten. A hash that is asked for moves to the young generation.
#[derive(Debug, Default)]
pub(super) struct Hashes {
    young: HashSet<Hash>,
    old: HashSet<Hash>,
}

impl Hashes {
    /// Remembers a hash.
    pub(super) fn insert(&mut self, hash: Hash) {
        if self.young.len() >= GENERATION_MAX {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(hash);
    }

    /// Whether a hash is remembered.
    pub(super) fn contains(&mut self, hash: &Hash) -> bool {
        if self.young.contains(hash) {
            return true;
        }
        let known = self.old.remove(hash);
        if known {
            self.insert(*hash);
        }
        known
    }

    /// Forgets a hash.
    pub(super) fn remove(&mut self, hash: &Hash) {
        self.young.remove(hash);
        self.old.remove(hash);
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
            hashes.insert(hash(number));
            assert!(hashes.contains(&hash(0)), "asked for all the time, after {number}");
        }
        assert!(!hashes.contains(&hash(1)), "asked for long ago");
        assert!(hashes.young.len() + hashes.old.len() <= 2 * GENERATION_MAX);
        hashes.remove(&hash(0));
        assert!(!hashes.contains(&hash(0)));
    }
}
