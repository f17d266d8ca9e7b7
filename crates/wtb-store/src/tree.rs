//! BLAKE3 of a value that is much like the one before it, without hashing again what stayed.
//!
//! BLAKE3 is a tree over the input: the chaining value of a subtree depends on its bytes and its
//! place alone (O'Connor et al. 2020, section 2.1). So the values of aligned blocks are kept, and
//! where a block has the same bytes in the same place as before, its value is taken over. The result
//! is the plain hash.
//!
//! Pure: it knows nothing of objects and stores.

use std::ops::Range;

use blake3::Hasher;
use blake3::hazmat::{
    ChainingValue, HasherExt as _, Mode, left_subtree_len, merge_subtrees_non_root,
    merge_subtrees_root,
};

use crate::object::Hash;

/// How many bytes a block has: as many chunks as are hashed at once where that is done side by
/// side. A power of two, so that each block is a subtree.
const BLOCK_BYTES: usize = 8 * blake3::CHUNK_LEN;

/// The chaining values of a value's blocks. That of the last one, if it is shorter, is not kept.
#[derive(Debug, Default)]
pub(crate) struct Blocks(Vec<ChainingValue>);

/// Returns the hash of bytes, and what it takes to hash the next ones.
pub(crate) fn hash(bytes: &[u8]) -> (Hash, Blocks) {
    hash_after(&Blocks::default(), &[], bytes)
}

/// Returns the hash of bytes of which some stretches are as they were, in the same place.
///
/// `same` is in ascending order. What it says is believed: it is the caller's comparison that the
/// name of the value rests on.
pub(crate) fn hash_after(before: &Blocks, same: &[Range<usize>], bytes: &[u8]) -> (Hash, Blocks) {
    if bytes.len() <= BLOCK_BYTES {
        return (*blake3::hash(bytes).as_bytes(), Blocks::default());
    }
    let mut hashing = Hashing { before, same, bytes, blocks: Vec::new() };
    let middle = split(bytes.len());
    let left = hashing.subtree(0..middle);
    let right = hashing.subtree(middle..bytes.len());
    (*merge_subtrees_root(&left, &right, Mode::Hash).as_bytes(), Blocks(hashing.blocks))
}

struct Hashing<'bytes> {
    before: &'bytes Blocks,
    /// What is as it was, from the block under way on.
    same: &'bytes [Range<usize>],
    bytes: &'bytes [u8],
    blocks: Vec<ChainingValue>,
}

impl Hashing<'_> {
    fn subtree(&mut self, range: Range<usize>) -> ChainingValue {
        if range.len() <= BLOCK_BYTES {
            return self.block(range);
        }
        let middle = range.start + split(range.len());
        let left = self.subtree(range.start..middle);
        let right = self.subtree(middle..range.end);
        merge_subtrees_non_root(&left, &right, Mode::Hash)
    }

    fn block(&mut self, range: Range<usize>) -> ChainingValue {
        let passed = self.same.partition_point(|same| same.end <= range.start);
        self.same = &self.same[passed..];
        let is_whole = range.len() == BLOCK_BYTES;
        let is_same = self
            .same
            .first()
            .is_some_and(|same| same.start <= range.start && range.end <= same.end);
        let known = self.before.0.get(self.blocks.len()).filter(|_| is_same && is_whole);
        let value = known.copied().unwrap_or_else(|| {
            let mut hasher = Hasher::new();
            hasher.set_input_offset(range.start as u64);
            hasher.update(&self.bytes[range]).finalize_non_root()
        });
        if is_whole {
            self.blocks.push(value);
        }
        value
    }
}

/// Where the left part of a tree over so many bytes ends.
fn split(length: usize) -> usize {
    usize::try_from(left_subtree_len(length as u64)).unwrap_or(usize::MAX).min(length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conformance::sample::noise;

    #[test]
    fn it_is_the_plain_hash_of_any_length() {
        let bytes = noise(1, 20 * BLOCK_BYTES);
        let around = |length: usize| [length - 1, length, length + 1];
        for length in (1..20).flat_map(|blocks| around(blocks * BLOCK_BYTES)).chain([0, 1]) {
            let (found, _) = hash(&bytes[..length]);
            assert_eq!(found, *blake3::hash(&bytes[..length]).as_bytes(), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn what_stayed_is_not_hashed_again_and_changes_nothing(
            seed: u64,
            old_bytes in 0_usize..300_000,
            new_bytes in 0_usize..300_000,
            changed in prop::collection::vec((0_usize..300_000, 1_usize..20_000), 0..5),
        ) {
            let old = noise(seed, old_bytes);
            let mut new = noise(seed, old_bytes);
            new.truncate(new_bytes);
            new.extend(noise(!seed, new_bytes.saturating_sub(old_bytes)));
            for (at, length) in changed {
                let end = (at + length).min(new.len());
                new.get_mut(at..end).into_iter().flatten().for_each(|byte| *byte ^= 1);
            }
            let same = same_stretches(&old, &new);
            let (_, blocks) = hash(&old);
            let (found, next) = hash_after(&blocks, &same, &new);
            prop_assert_eq!(found, *blake3::hash(&new).as_bytes());
            prop_assert_eq!(next.0, hash(&new).1.0);
        }
    }

    #[test]
    fn a_block_that_is_said_to_be_the_same_is_taken_over() {
        let old = noise(2, 4 * BLOCK_BYTES);
        let mut new = old.clone();
        new[2 * BLOCK_BYTES] ^= 1;
        let (before, blocks) = hash(&old);
        // A lie, to see that it is believed.
        let whole = 0..new.len();
        assert_eq!(hash_after(&blocks, std::slice::from_ref(&whole), &new).0, before);
    }

    fn same_stretches(old: &[u8], new: &[u8]) -> Vec<Range<usize>> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        for (at, _) in old.iter().zip(new).enumerate().filter(|(_, (old, new))| old == new) {
            match stretches.last_mut() {
                Some(last) if last.end == at => last.end += 1,
                _ => stretches.push(at..at + 1),
            }
        }
        stretches
    }
}
