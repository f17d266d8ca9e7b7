//! What the writer knows of objects: the keys of those in the database, and why others were lost.

use super::hashes::Hashes;
use crate::{Hash, StoreError, hex};

/// Objects that are certainly in the database, those of the transaction under way among them.
#[derive(Debug, Default)]
pub struct Stored {
    keys: Hashes<i64>,
    /// Why objects were lost, to tell the units that name them.
    lost_because: Option<StoreError>,
}

impl Stored {
    /// Notes that an object is in the database, under a key.
    pub fn insert(&mut self, hash: Hash, key: i64) {
        self.keys.insert(hash, key);
    }

    /// Returns the key of an object that is known to be in the database.
    pub fn get(&mut self, hash: &Hash) -> Option<i64> {
        self.keys.get(hash)
    }

    /// Notes that the transaction that held these objects was undone.
    pub fn forget<'hash>(&mut self, hashes: impl IntoIterator<Item = &'hash Hash>) {
        for hash in hashes {
            self.keys.remove(hash);
        }
    }

    /// Forgets what is in the database: somebody may have collected it.
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    /// Notes why objects that were queued are not stored and will not be.
    pub(super) fn lose(&mut self, hash: &Hash, error: &StoreError) {
        self.keys.remove(hash);
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
    StoreError::NotFound { what: "object", id: hex(*hash) }
}
