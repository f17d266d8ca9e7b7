//! User values as the serializer's `(type, bytes)`. Rust stores and returns them, never reads them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// A serialised user value: what LangGraph's serializer calls `(type, bytes)`.
///
/// `kind` is free text, since encrypted serializers append to it (`msgpack+aes`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Value {
    /// The serializer's type tag, such as `msgpack`.
    pub kind: String,
    /// The serialised bytes, shared by whoever holds the value.
    pub bytes: Bytes,
}

impl Value {
    /// Makes a value from its parts.
    pub fn new(kind: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self { kind: kind.into(), bytes: bytes.into() }
    }
}

/// Where a value rests: inside the row that names it, or among the objects under its content hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StoredValue {
    /// Small values live in the row itself.
    Inline {
        /// The serializer's type tag.
        kind: String,
        /// The serialised bytes.
        bytes: Vec<u8>,
    },
    /// Large values are stored once, under the BLAKE3 hash of their bytes.
    Object {
        /// The serializer's type tag.
        kind: String,
        /// BLAKE3 of the bytes.
        hash: [u8; 32],
        /// Length of the bytes.
        size: u64,
    },
}

impl StoredValue {
    /// Returns the serializer's type tag.
    pub fn kind(&self) -> &str {
        match self {
            Self::Inline { kind, .. } | Self::Object { kind, .. } => kind,
        }
    }
}
