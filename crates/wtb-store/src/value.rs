//! Values at rest: inline when small, otherwise stored once under the hash of their content.

use wtb_model::{StoredValue, Value};

use crate::StoreError;

/// Values up to this many bytes stay in the row that names them.
pub const INLINE_BYTES_MAX: usize = 512;

/// Content-addressed bytes: the same bytes are stored once, and checked when they are read.
pub trait Objects: Send + Sync {
    /// Stores bytes under their BLAKE3 hash, unless they are stored already.
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError>;

    /// Returns the bytes stored under a hash, after checking that they still have it.
    fn get(&self, hash: [u8; 32]) -> Result<Vec<u8>, StoreError>;
}

/// Takes a value for storing: hashes it and stores its bytes among the objects if it is large.
pub fn store_value(objects: &dyn Objects, value: Value) -> Result<StoredValue, StoreError> {
    if value.bytes.len() <= INLINE_BYTES_MAX {
        return Ok(StoredValue::Inline { kind: value.kind, bytes: value.bytes });
    }
    let hash = *blake3::hash(&value.bytes).as_bytes();
    objects.put(hash, &value.bytes)?;
    Ok(StoredValue::Object { kind: value.kind, hash, size: value.bytes.len() as u64 })
}
