//! Places of stores that have nearly all objects in a directory.

use std::path::PathBuf;

use wtb_store::conformance::Place;
use wtb_store::{Store, StoreError};

/// A place, and how a store is opened there that puts objects of any size outside.
pub(crate) struct Outside<P>(pub(crate) P, pub(crate) fn(&P) -> Result<Box<dyn Store>, StoreError>);

impl<P: Place> Outside<P> {
    fn objects(&self) -> PathBuf {
        self.0.scratch().join("all objects")
    }

    fn file(&self, hash: [u8; 32]) -> PathBuf {
        let hash = wtb_store::hex(hash);
        let own = std::fs::read_dir(self.objects()).unwrap().next().unwrap().unwrap().path();
        own.join(&hash[..2]).join(hash)
    }
}

impl<P: Place> Place for Outside<P> {
    fn open(&self) -> Result<Box<dyn Store>, StoreError> {
        let store = self.1(&self.0)?;
        store.keep_objects_in(&self.objects())?;
        Ok(store)
    }

    fn scratch(&self) -> PathBuf {
        self.0.scratch()
    }

    fn damage_object(&self, hash: [u8; 32]) -> bool {
        let file = self.file(hash);
        let bytes = std::fs::read(&file).map(|bytes| vec![0; bytes.len()]);
        bytes.is_ok_and(|bytes| std::fs::write(&file, bytes).is_ok()) || self.0.damage_object(hash)
    }

    fn age_objects(&self) -> bool {
        self.0.age_objects()
    }

    fn remove_object(&self, hash: [u8; 32]) -> bool {
        self.0.remove_object(hash)
    }
}
