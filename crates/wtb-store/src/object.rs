//! Values at rest: inline when small, otherwise stored once under the hash of their content.
//!
//! An object is whole (its bytes, compressed where that pays), or a rope: pieces of segments, which
//! are whole. Ropes are how a value that grows costs little more than what was added to it; see
//! [`crate::Recent`]. Either way a value's name is the BLAKE3 hash of all its bytes, and it is checked
//! against it when it is read.
//!
//! A *node* is an object that names others, such as a page of a snapshot's tree: its bytes begin with
//! the names of what it is made of. Whatever names a node keeps all that can be reached from it.

use bytes::Bytes;
use std::cell::RefCell;
use zstd::bulk::Compressor;

use wtb_model::{StoredValue, Value};

use crate::StoreError;
use crate::codec::{decode_node, encode_node};

/// Values up to this many bytes stay in the row that names them.
pub const INLINE_BYTES_MAX: usize = 512;

/// Values of checkpoints up to this many bytes stay in their rows as long as they are new: most are
/// replaced in the next step. A value that a checkpoint takes from its parent becomes an object if
/// it has more than [`INLINE_BYTES_MAX`].
pub const NEW_INLINE_BYTES_MAX: usize = 2048;

/// The level of zstd: the fastest that still codes entropy.
const COMPRESSION_LEVEL: i32 = 1;

/// Larger objects are not compressed: whoever puts one waits, and text compresses at about the speed
/// of a disk. What makes values large over time is put in small pieces, which are.
const COMPRESSED_BYTES_MAX: usize = 16 * 1024;

/// What tells the names of segments from those of values; on disk, so it never changes.
const SEGMENT_CONTEXT: &str = "wtb 2026-11-21 segment of a rope";

/// What tells the names of nodes from those of values, which may happen to have the same bytes; on
/// disk, so it never changes.
const NODE_CONTEXT: &str = "wtb 2026-11-28 node that names objects";

/// Whether the whole of something large is worth compressing is told by this much of it.
const SAMPLE_BYTES: usize = 16 * 1024;

/// BLAKE3 of an object's bytes.
pub type Hash = [u8; 32];

/// How the bytes of an object are kept. The numbers are on disk and never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Encoding {
    /// As they are.
    Raw = 0,
    /// Compressed by zstd.
    Zstd = 1,
    /// A list of pieces of other objects.
    Rope = 2,
    /// As they are, and they begin with the names of other objects.
    Node = 3,
    /// In a file of the store's directory of objects, which says how: see [`crate::Outside`].
    File = 4,
}

impl Encoding {
    /// Returns the encoding of a number, if this program knows it.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::Raw),
            1 => Some(Self::Zstd),
            2 => Some(Self::Rope),
            3 => Some(Self::Node),
            4 => Some(Self::File),
            _ => None,
        }
    }
}

/// Bytes as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// How.
    pub encoding: Encoding,
    /// The bytes on disk.
    pub data: Bytes,
}

impl Encoded {
    /// Encodes bytes: compressed if they are not too many and that saves an eighth or more.
    pub fn new(bytes: &Bytes) -> Self {
        if bytes.len() <= COMPRESSED_BYTES_MAX
            && let Some(data) = compressed(bytes)
            && data.len() < bytes.len() - bytes.len() / 8
        {
            return Self { encoding: Encoding::Zstd, data: data.into() };
        }
        Self { encoding: Encoding::Raw, data: bytes.clone() }
    }
}

thread_local! {
    /// Each thread's own, since to make one takes longer than to compress some kilobytes.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> =
        RefCell::new(Compressor::new(COMPRESSION_LEVEL).ok());
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(bytes).ok())
}

/// A part of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// The whole object.
    pub object: Hash,
    /// Where the part begins.
    pub offset: usize,
    /// How long it is, in bytes.
    pub length: usize,
}

/// What an object is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Its own bytes.
    Whole(Encoded),
    /// Pieces of whole objects, one of which may be new.
    Rope {
        /// The pieces, in order.
        pieces: Vec<Piece>,
        /// The object that holds what no earlier one has.
        segment: Option<Box<NewObject>>,
    },
    /// Its own bytes, which begin with the names of other objects: see [`decode_node`].
    Node(Bytes),
}

/// An object on its way into a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewObject {
    /// BLAKE3 of its bytes.
    pub hash: Hash,
    /// How many bytes it has.
    pub size: u64,
    /// What it is made of.
    pub content: Content,
}

impl NewObject {
    /// Makes a whole object.
    pub fn whole(bytes: &Bytes) -> Self {
        let size = bytes.len() as u64;
        let hash = *blake3::hash(bytes).as_bytes();
        let content = Content::Whole(Encoded::new(bytes));
        Self { hash, size, content }
    }

    /// Makes a whole object that ropes are to have pieces of.
    ///
    /// It is named apart from values of the same bytes. A value may be there as a rope already; a
    /// segment is always whole.
    pub(crate) fn segment(bytes: &Bytes) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(SEGMENT_CONTEXT);
        let hash = *hasher.update(bytes).finalize().as_bytes();
        Self { hash, size: bytes.len() as u64, content: Content::Whole(Encoded::new(bytes)) }
    }

    /// Makes a whole object of any size, compressed if a part of it says that this pays: for who does
    /// not wait for it.
    pub fn packed(bytes: &Bytes) -> Self {
        let mut object = Self::whole(bytes);
        if bytes.len() > COMPRESSED_BYTES_MAX
            && compressed(&bytes[..SAMPLE_BYTES])
                .is_some_and(|sample| sample.len() < SAMPLE_BYTES - SAMPLE_BYTES / 8)
            && let Some(data) = compressed(bytes).filter(|data| data.len() < bytes.len())
        {
            object.content =
                Content::Whole(Encoded { encoding: Encoding::Zstd, data: data.into() });
        }
        object
    }

    /// Makes an object that names others. They have to be put before it: without them it is not
    /// stored, and what names it is refused.
    pub fn node(links: &[Hash], payload: &[u8]) -> Self {
        let bytes: Bytes = encode_node(links, payload).into();
        Self { hash: hash_of_node(&bytes), size: bytes.len() as u64, content: Content::Node(bytes) }
    }

    /// Returns how many bytes it takes while it waits to be written.
    pub fn weight(&self) -> usize {
        match &self.content {
            Content::Node(bytes) => bytes.len(),
            Content::Whole(encoded) => encoded.data.len(),
            Content::Rope { pieces, segment } => {
                size_of_val(pieces.as_slice()) + segment.as_ref().map_or(0, |new| new.weight())
            }
        }
    }
}

/// A value on its way into a store, with the object that holds its bytes if it is large.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewValue {
    /// What the row that names the value keeps.
    pub stored: StoredValue,
    /// The object that has to be there then.
    pub object: Option<NewObject>,
}

impl NewValue {
    /// Prepares a value for storing on its own: one of up to so many bytes in the row that names it.
    pub fn new(value: Value, inline_bytes_max: usize) -> Self {
        let Value { kind, bytes } = value;
        if bytes.len() > inline_bytes_max {
            return Self::of_object(kind, NewObject::whole(&bytes));
        }
        Self { stored: StoredValue::Inline { kind, bytes: bytes.into() }, object: None }
    }

    /// Names an object's value.
    pub fn of_object(kind: String, object: NewObject) -> Self {
        let stored = StoredValue::Object { kind, hash: object.hash, size: object.size };
        Self { stored, object: Some(object) }
    }
}

/// Content-addressed bytes: the same bytes are stored once, and checked when they are read.
pub trait Objects: Send + Sync {
    /// Stores an object, unless it is stored already.
    fn put(&self, object: NewObject) -> Result<(), StoreError>;

    /// Returns the bytes of an object, after checking that they still have their hash.
    fn get(&self, hash: Hash) -> Result<Vec<u8>, StoreError>;

    /// Returns the names that a node has of other objects, and what else is in it.
    fn get_node(&self, hash: Hash) -> Result<(Vec<Hash>, Vec<u8>), StoreError> {
        let bytes = self.get(hash)?;
        let (links, payload) = decode_node(&bytes).map_err(|reason| corrupt(hash, &reason))?;
        Ok((links.to_vec(), payload.to_vec()))
    }
}

/// Returns the names that an object has of others.
pub fn links_of(object: &NewObject) -> Result<&[Hash], StoreError> {
    match &object.content {
        Content::Whole(_) | Content::Rope { .. } => Ok(&[]),
        Content::Node(bytes) => {
            let decoded = decode_node(bytes).map_err(|reason| corrupt(object.hash, &reason))?;
            Ok(decoded.0)
        }
    }
}

/// Takes a value for storing, and stores its bytes among the objects if it is large.
pub fn store_value(objects: &dyn Objects, value: Value) -> Result<StoredValue, StoreError> {
    let NewValue { stored, object } = NewValue::new(value, INLINE_BYTES_MAX);
    object.map_or(Ok(()), |object| objects.put(object))?;
    Ok(stored)
}

/// Returns an object's bytes as [`Encoded`] kept them; `size` is how many there have to be.
///
/// # Errors
///
/// What is wrong with them, in words.
pub fn decoded(encoding: Encoding, data: Vec<u8>, size: u64) -> Result<Vec<u8>, String> {
    let size = usize::try_from(size).map_err(|_| "it is too large for this machine".to_owned())?;
    match encoding {
        Encoding::Raw | Encoding::Node => Ok(data),
        Encoding::Zstd => zstd::bulk::decompress(&data, size).map_err(|error| error.to_string()),
        Encoding::Rope => Err("a rope was found in a rope".to_owned()),
        Encoding::File => Err("its file was not read".to_owned()),
    }
}

/// Checks an object's bytes against its name.
pub fn checked(encoding: Encoding, hash: Hash, bytes: Vec<u8>) -> Result<Vec<u8>, StoreError> {
    let found = match encoding {
        Encoding::Node => hash_of_node(&bytes),
        Encoding::Raw | Encoding::Zstd | Encoding::Rope | Encoding::File => {
            *blake3::hash(&bytes).as_bytes()
        }
    };
    if found == hash {
        return Ok(bytes);
    }
    Err(corrupt(hash, &format!("its bytes hash to {}", hex(found))))
}

fn hash_of_node(bytes: &[u8]) -> Hash {
    *blake3::Hasher::new_derive_key(NODE_CONTEXT).update(bytes).finalize().as_bytes()
}

/// Says that an object is not there that something stored names: it was there once.
pub fn missing(hash: Hash) -> StoreError {
    corrupt(hash, "it is missing")
}

/// Says that an object's bytes are not what was stored.
pub fn corrupt(hash: Hash, reason: &str) -> StoreError {
    StoreError::Corrupt { hash: hex(hash), reason: reason.to_owned() }
}

/// Returns a hash as text.
pub fn hex(hash: Hash) -> String {
    blake3::Hash::from_bytes(hash).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_node_is_named_apart_from_a_value_of_the_same_bytes() {
        let node = NewObject::node(&[[7; 32]], b"payload");
        let Content::Node(bytes) = node.content else { unreachable!() };
        assert_ne!(NewObject::whole(&bytes).hash, node.hash);
        assert!(checked(Encoding::Raw, node.hash, bytes.to_vec()).is_err());
        assert!(checked(Encoding::Node, node.hash, bytes.to_vec()).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_large_survives_being_packed(bytes: Vec<u8>, repeats in 1_usize..4_000) {
            let bytes = Bytes::from(bytes.repeat(repeats));
            let NewObject { hash, size, content } = NewObject::packed(&bytes);
            prop_assert_eq!(hash, NewObject::whole(&bytes).hash);
            let Content::Whole(Encoded { encoding, data }) = content else { unreachable!() };
            prop_assert!(data.len() <= bytes.len());
            prop_assert_eq!(decoded(encoding, data.to_vec(), size), Ok(bytes.to_vec()));
        }

        #[test]
        fn bytes_survive_their_encoding(bytes: Vec<u8>, repeats in 1_usize..50) {
            let bytes = Bytes::from(bytes.repeat(repeats));
            let Encoded { encoding, data } = Encoded::new(&bytes);
            prop_assert!(data.len() <= bytes.len());
            let read = decoded(encoding, data.to_vec(), bytes.len() as u64);
            prop_assert_eq!(read, Ok(bytes.to_vec()));
        }

        #[test]
        fn damaged_bytes_are_never_returned(bytes in prop::collection::vec(any::<u8>(), 1..2000), at: usize) {
            let NewObject { hash, size, content } = NewObject::whole(&bytes.repeat(3).into());
            let Content::Whole(Encoded { encoding, data }) = content else { unreachable!() };
            let mut data = data.to_vec();
            let at = at % data.len();
            data[at] ^= 1;
            let read = decoded(encoding, data, size).map(|found| checked(encoding, hash, found));
            prop_assert!(!matches!(read, Ok(Ok(_))));
        }
    }
}
