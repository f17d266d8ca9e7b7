//! Objects: written ahead of the units that name them, and checked to be there when they do.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::StoredValue;

use super::Transaction;
use crate::StoreError;
use crate::sqlite::errors::While;
use crate::writer::Hash;

impl Transaction<'_> {
    /// Writes an object unless it is there already.
    pub(in crate::sqlite) fn write_object(
        &mut self,
        hash: Hash,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if !self.stored.contains(&hash) {
            self.change(
                "INSERT OR IGNORE INTO objects (hash, size, data) VALUES (?1, ?2, ?3)",
                params![hash, bytes.len() as u64, bytes],
                "writing an object",
            )?;
            self.stored.insert(hash);
        }
        Ok(())
    }

    /// Refuses values whose objects are not there: they were never put, or were lost when the
    /// transaction that held them failed.
    pub(super) fn check_objects<'value>(
        &mut self,
        values: impl IntoIterator<Item = Option<&'value StoredValue>>,
    ) -> Result<(), StoreError> {
        for value in values.into_iter().flatten() {
            if let StoredValue::Object { hash, .. } = value {
                self.check_object(*hash)?;
            }
        }
        Ok(())
    }

    fn check_object(&mut self, hash: Hash) -> Result<(), StoreError> {
        if self.stored.contains(&hash) {
            return Ok(());
        }
        let found = self
            .connection
            .prepare_cached("SELECT 1 FROM objects WHERE hash = ?1")
            .and_then(|mut statement| statement.query_row([hash], |_| Ok(())).optional())
            .while_("looking an object up")?;
        if found.is_some() {
            self.stored.insert(hash);
            return Ok(());
        }
        self.missing.push(hash);
        Err(self.stored.absence_of(&hash))
    }
}
