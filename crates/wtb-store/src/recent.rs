//! The values that were last written or read, so that what comes next is stored as a difference.
//!
//! One value is remembered for each slot (a channel of a lineage): its bytes, and what objects they
//! are pieces of. It is a memory and no more: when it is lost, the next value is stored whole.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use wtb_model::{StoredValue, Value};

use crate::object::{Content, Hash, NEW_INLINE_BYTES_MAX, NewObject, NewValue, Piece};
use crate::rope::{Difference, Run, boundaries, difference};
use crate::tree::{self, Blocks};

/// Smaller values are stored whole: a rope would hardly be smaller.
pub const ROPE_BYTES_MIN: usize = 4096;
/// How many bytes of values one generation holds; two are kept.
pub const RECENT_BYTES_MAX: usize = 32 * 1024 * 1024;
/// A rope has at most one piece for so many bytes, so that it stays quick to read.
const BYTES_PER_PIECE_MIN: usize = 256;

/// What values that follow each other have in common: a channel of a thread's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The thread.
    pub thread: String,
    /// The namespace.
    pub namespace: String,
    /// The channel.
    pub channel: String,
}

#[derive(Debug)]
struct Known {
    hash: Hash,
    bytes: Bytes,
    /// What it takes to hash the next value; nothing for a value that was read.
    blocks: Blocks,
    pieces: Vec<Piece>,
    boundaries: OnceLock<Vec<usize>>,
}

/// The memory. All methods may be called from any thread.
#[derive(Debug, Default)]
pub struct Recent {
    state: Mutex<Generations>,
}

/// When the young generation is full it becomes the old one; what is asked for becomes young.
#[derive(Debug, Default)]
struct Generations {
    young: HashMap<Slot, Arc<Known>>,
    old: HashMap<Slot, Arc<Known>>,
    young_bytes: usize,
}

impl Recent {
    /// Prepares a value for storing after the last one of its slot, and remembers it.
    pub fn pack(&self, slot: &Slot, value: Value) -> NewValue {
        if value.bytes.len() < ROPE_BYTES_MIN {
            return NewValue::new(value, NEW_INLINE_BYTES_MAX);
        }
        let Value { kind, bytes } = value;
        // Not under the lock: to compare takes time.
        let before = self.lock().take(slot);
        let (known, object) = match before {
            Some(before) if before.bytes == bytes => {
                let (hash, size) = (before.hash, bytes.len() as u64);
                self.lock().insert(slot.clone(), before);
                return NewValue { stored: StoredValue::Object { kind, hash, size }, object: None };
            }
            // A value that was read whole has no segments to refer to.
            Some(before) if !before.pieces.is_empty() => followed(&before, bytes),
            Some(_) | None => begun(tree::hash(&bytes), bytes, OnceLock::new()),
        };
        self.lock().insert(slot.clone(), Arc::new(known));
        NewValue::of_object(kind, object)
    }

    /// Remembers a value that was read, with the pieces that it was read from; none if it was whole.
    pub fn remember(&self, slot: Slot, hash: Hash, bytes: Bytes, pieces: Vec<Piece>) {
        if bytes.len() >= ROPE_BYTES_MIN {
            let blocks = Blocks::default();
            let known = Known { hash, bytes, blocks, pieces, boundaries: OnceLock::new() };
            self.lock().insert(slot, Arc::new(known));
        }
    }

    /// Returns the bytes of an object if they are the last ones of the slot.
    pub fn bytes(&self, slot: &Slot, hash: Hash) -> Option<Bytes> {
        let mut state = self.lock();
        let known = state.take(slot)?;
        let bytes = (known.hash == hash).then(|| known.bytes.clone());
        state.insert(slot.clone(), known);
        bytes
    }

    /// Forgets everything: what was remembered turned out not to be stored.
    pub fn clear(&self) {
        *self.lock() = Generations::default();
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generations {
    fn take(&mut self, slot: &Slot) -> Option<Arc<Known>> {
        if let Some(known) = self.young.remove(slot) {
            self.young_bytes -= known.bytes.len();
            return Some(known);
        }
        self.old.remove(slot)
    }

    fn insert(&mut self, slot: Slot, known: Arc<Known>) {
        if self.young_bytes + known.bytes.len() > RECENT_BYTES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += known.bytes.len();
        self.old.remove(&slot);
        if let Some(replaced) = self.young.insert(slot, known) {
            self.young_bytes -= replaced.bytes.len();
        }
    }
}

/// The first value of a slot, or one that is unlike the last: a rope of one segment.
fn begun(
    (hash, blocks): (Hash, Blocks),
    bytes: Bytes,
    boundaries: OnceLock<Vec<usize>>,
) -> (Known, NewObject) {
    let segment = NewObject::segment(&bytes);
    let pieces = vec![Piece { object: segment.hash, offset: 0, length: bytes.len() }];
    let size = bytes.len() as u64;
    let content = Content::Rope { pieces: pieces.clone(), segment: Some(Box::new(segment)) };
    (Known { hash, bytes, blocks, pieces, boundaries }, NewObject { hash, size, content })
}

/// A value after another one: a rope, if enough of it is the same and not in too many pieces.
fn followed(before: &Known, bytes: Bytes) -> (Known, NewObject) {
    let known = before.boundaries.get_or_init(|| boundaries(&before.bytes));
    let Difference { runs, boundaries } = difference(&before.bytes, known, &bytes);
    let name = tree::hash_after(&before.blocks, &in_place(&runs), &bytes);
    let literal: usize = runs.iter().map(|run| new_bytes(run, &bytes).len()).sum();
    if literal > bytes.len() / 4 * 3 {
        return begun(name, bytes, boundaries.into());
    }
    let literal = runs.iter().fold(Vec::with_capacity(literal), |mut literal, run| {
        literal.extend_from_slice(new_bytes(run, &bytes));
        literal
    });
    let segment = (!literal.is_empty()).then(|| Box::new(NewObject::segment(&literal.into())));
    let pieces = pieces(before, segment.as_deref(), &runs);
    if pieces.len() > bytes.len() / BYTES_PER_PIECE_MIN {
        return begun(name, bytes, boundaries.into());
    }
    let ((hash, blocks), size) = (name, bytes.len() as u64);
    let content = Content::Rope { pieces: pieces.clone(), segment };
    let known = Known { hash, bytes, blocks, pieces, boundaries: boundaries.into() };
    (known, NewObject { hash, size, content })
}

/// The stretches that are where they were.
fn in_place(runs: &[Run]) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut places = Vec::new();
    for run in runs {
        let (Run::Copy(range) | Run::New(range)) = run;
        if matches!(run, Run::Copy(from) if from.start == at) {
            places.push(range.clone());
        }
        at += range.len();
    }
    places
}

fn new_bytes<'bytes>(run: &Run, bytes: &'bytes [u8]) -> &'bytes [u8] {
    match run {
        Run::New(range) => &bytes[range.clone()],
        Run::Copy(_) => &[],
    }
}

/// The pieces that runs stand for: parts of the old value's pieces, and of the new segment.
fn pieces(before: &Known, segment: Option<&NewObject>, runs: &[Run]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::with_capacity(before.pieces.len() + runs.len());
    let mut written = 0;
    for run in runs {
        match run {
            Run::New(range) => {
                let object = segment.map_or([0; 32], |segment| segment.hash);
                add(&mut pieces, Piece { object, offset: written, length: range.len() });
                written += range.len();
            }
            Run::Copy(range) => {
                let mut begin = 0;
                for piece in &before.pieces {
                    let end = begin + piece.length;
                    let (from, to) = (range.start.max(begin), range.end.min(end));
                    if from < to {
                        let offset = piece.offset + (from - begin);
                        add(&mut pieces, Piece { object: piece.object, offset, length: to - from });
                    }
                    begin = end;
                }
            }
        }
    }
    pieces
}

/// Adds a piece, or lengthens the last one when it goes on where that ends.
fn add(pieces: &mut Vec<Piece>, piece: Piece) {
    if let Some(last) = pieces.last_mut()
        && last.object == piece.object
        && last.offset + last.length == piece.offset
    {
        last.length += piece.length;
        return;
    }
    pieces.push(piece);
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::conformance::sample::noise;
    use crate::object::{checked, decoded};

    /// Objects in memory, as a store would keep them.
    #[derive(Default)]
    struct Shelf {
        whole: HashMap<Hash, Vec<u8>>,
        ropes: HashMap<Hash, Vec<Piece>>,
        bytes: usize,
    }

    impl Shelf {
        fn put(&mut self, object: NewObject) {
            match object.content {
                Content::Whole(encoded) => {
                    self.bytes += encoded.data.len();
                    let bytes =
                        decoded(encoded.encoding, encoded.data.to_vec(), object.size).unwrap();
                    self.whole.insert(object.hash, bytes);
                }
                Content::Rope { pieces, segment } => {
                    if let Some(segment) = segment {
                        self.put(*segment);
                    }
                    self.ropes.insert(object.hash, pieces);
                }
                Content::Node(_) => unreachable!("values are no nodes"),
            }
        }

        fn get(&self, hash: Hash) -> Vec<u8> {
            let part = |piece: &Piece| {
                self.whole[&piece.object][piece.offset..piece.offset + piece.length].to_vec()
            };
            let bytes = match self.ropes.get(&hash) {
                Some(pieces) => pieces.iter().flat_map(part).collect(),
                None => self.whole[&hash].clone(),
            };
            checked(crate::Encoding::Raw, hash, bytes).unwrap()
        }
    }

    fn slot() -> Slot {
        Slot { thread: "t".into(), namespace: String::new(), channel: "messages".into() }
    }

    proptest! {
        #[test]
        fn every_value_can_be_read_again(
            edits in prop::collection::vec((0_usize..60_000, 0_usize..9_000, 0_usize..9_000), 1..12),
            seed: u64,
        ) {
            let (recent, mut shelf) = (Recent::default(), Shelf::default());
            let mut value = noise(seed, 30_000);
            for (number, (at, removed, added)) in edits.into_iter().enumerate() {
                let at = at % (value.len() + 1);
                let end = (at + removed).min(value.len());
                value.splice(at..end, noise(seed ^ (number as u64 + 1), added));
                let packed = recent.pack(&slot(), Value::new("msgpack", value.clone()));
                packed.object.into_iter().for_each(|object| shelf.put(object));
                match packed.stored {
                    StoredValue::Inline { bytes, .. } => prop_assert_eq!(&bytes, &value),
                    StoredValue::Object { hash, .. } => {
                        prop_assert_eq!(hash, *blake3::hash(&value).as_bytes());
                        prop_assert_eq!(&shelf.get(hash), &value);
                    }
                }
            }
        }
    }

    #[test]
    fn a_list_that_grows_costs_about_what_is_added() {
        let (recent, mut shelf) = (Recent::default(), Shelf::default());
        let mut items = Vec::new();
        for step in 0_u8..100 {
            items.extend(noise(u64::from(step), 1_000));
            let bytes = [&[0xdc, 0, step], items.as_slice()].concat();
            let packed = recent.pack(&slot(), Value::new("msgpack", bytes));
            packed.object.into_iter().for_each(|object| shelf.put(object));
        }
        assert!(shelf.bytes < 125_000, "{} bytes for 100,000", shelf.bytes);
    }

    #[test]
    fn a_value_that_was_read_is_followed_by_what_was_added() {
        let (recent, mut shelf) = (Recent::default(), Shelf::default());
        let mut bytes = noise(3, 50_000);
        let first = recent.pack(&slot(), Value::new("msgpack", bytes.clone())).object.unwrap();
        let Content::Rope { pieces, .. } = first.content.clone() else { panic!("{first:?}") };
        shelf.put(first.clone());
        let other = Recent::default();
        other.remember(slot(), first.hash, bytes.clone().into(), pieces);
        let before = shelf.bytes;
        for step in 0..2 {
            bytes.extend(noise(4 + step, 1_000));
            let next = other.pack(&slot(), Value::new("msgpack", bytes.clone())).object.unwrap();
            assert_eq!(next.hash, *blake3::hash(&bytes).as_bytes());
            shelf.put(next.clone());
            assert_eq!(shelf.get(next.hash), bytes);
        }
        assert!(shelf.bytes < before + 2_500, "{} bytes for 2,000", shelf.bytes - before);
    }

    #[test]
    fn the_same_value_again_is_no_new_object() {
        let recent = Recent::default();
        let value = Value::new("msgpack", noise(1, 10_000));
        assert!(recent.pack(&slot(), value.clone()).object.is_some());
        assert!(recent.pack(&slot(), value).object.is_none());
    }
}
