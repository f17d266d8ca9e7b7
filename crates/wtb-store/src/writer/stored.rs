//! What the writer knows of objects: which are in the database, and why others were lost.

use super::hashes::{Hash, Hashes};
use crate::StoreError;

/// Objects that are certainly in the database, those of the transaction under way among them.
#[derive(Debug, Default)]
pub struct Stored {
    hashes: Hashes,
    /// Why objects were lost, to tell the units that name them.
    lost_because: Option<StoreError>,
}

impl Stored {
    /// Notes that an object is in the database.
    pub fn insert(&mut self, hash: Hash) {
        self.hashes.insert(hash);
    }

    /// Whether an object is known to be in the database.
    pub fn contains(&mut self, hash: &Hash) -> bool {
        self.hashes.contains(hash)
    }

    /// Notes that the transaction that held these objects was undone.
    pub fn forget<'hash>(&mut self, hashes: impl IntoIterator<Item = &'hash Hash>) {
        for hash in hashes {
            self.hashes.remove(hash);
        }
    }

    /// Notes why objects that were queued are not stored and will not be.
    pub(super) fn lose(&mut self, hash: &Hash, error: &StoreError) {
        self.hashes.remove(hash);
        self.lost_because = Some(error.clone());
    }

    /// Returns why a unit is refused that names an object which is not there: it was lost with the
    /// transaction that held it, or was never put.
    pub fn absence_of(&self, hash: &Hash) -> StoreError {
        self.lost_because.clone().unwrap_or_else(|| no_object(hash))
    }
}

/// The error of an object that is not there.
pub fn no_object(hash: &Hash) -> StoreError {
    let id = blake3::Hash::from_bytes(*hash).to_hex().to_string();
    StoreError::NotFound { what: "object", id }
}
