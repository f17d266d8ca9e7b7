//! The id of a snapshot.

use std::fmt;
use std::str::FromStr;

use wtb_model::StoredValue;
use wtb_store::Hash;

use crate::WorkspaceError;

/// Names a snapshot by what is in it: equal trees have equal ids.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub Hash);

impl SnapshotId {
    /// The kind of the stored value by which a record names a snapshot.
    pub const KIND: &'static str = "wtb.snapshot";

    /// Returns the value by which a record names the snapshot. Whatever record of the store has it
    /// keeps the snapshot, and every file in it, from being collected.
    pub fn reference(self) -> StoredValue {
        StoredValue::Object { kind: Self::KIND.to_owned(), hash: self.0, size: 0 }
    }

    /// Returns the snapshot that a stored value names, if it names one.
    pub fn of_reference(value: &StoredValue) -> Option<Self> {
        match value {
            StoredValue::Object { kind, hash, .. } if kind == Self::KIND => Some(Self(*hash)),
            StoredValue::Object { .. } | StoredValue::Inline { .. } => None,
        }
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&wtb_store::hex(self.0))
    }
}

impl fmt::Debug for SnapshotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for SnapshotId {
    type Err = WorkspaceError;

    fn from_str(text: &str) -> Result<Self, WorkspaceError> {
        let parsed = blake3::Hash::from_hex(text);
        parsed
            .map(|hash| Self(*hash.as_bytes()))
            .map_err(|_| WorkspaceError::BadId(text.to_owned()))
    }
}
