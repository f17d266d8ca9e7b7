//! Objects: written with or ahead of the units that name them, and checked to be there when they do.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::StoredValue;

use super::Transaction;
use crate::StoreError;
use crate::codec::encode_pieces;
use crate::object::{Content, Encoding, Hash, NewObject, Piece, links_of};
use crate::sqlite::errors::While;

/// When a unit that names an object comes with it, and when it comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sqlite) enum Named {
    /// In the same transaction: from then on the object may be collected once nothing names it.
    Now,
    /// Later: the object is not to be collected for a while.
    Soon {
        /// Seconds since 1970.
        now: i64,
    },
}

impl Transaction<'_> {
    /// Writes an object unless it is there already, and returns its key.
    pub(in crate::sqlite) fn write_object(
        &mut self,
        object: &NewObject,
        named: Named,
    ) -> Result<i64, StoreError> {
        // Also where the rope is there already, which may have been made of others: what is put next
        // refers to this segment.
        if let Content::Rope { segment: Some(segment), .. } = &object.content {
            self.write_object(segment, named)?;
        }
        if let Some(key) = self.stored.get(&object.hash) {
            return Ok(key);
        }
        let key = match (self.find_object(object.hash)?, named) {
            (Some(key), Named::Now) => key,
            (Some(key), Named::Soon { now }) => {
                let sql = "UPDATE objects SET touched_at = ?2 WHERE key = ?1";
                self.change(sql, params![key, now], "touching an object")?;
                key
            }
            (None, _) => self.insert_object(object, named)?,
        };
        self.remember(object.hash, key);
        Ok(key)
    }

    fn insert_object(&mut self, object: &NewObject, named: Named) -> Result<i64, StoreError> {
        let encoded;
        let (encoding, data) = match &object.content {
            Content::Whole(whole) => (whole.encoding, whole.data.as_ref()),
            Content::Rope { pieces, .. } => {
                encoded = self.encode_rope(pieces)?;
                (Encoding::Rope, encoded.as_slice())
            }
            Content::Node(bytes) => {
                for link in links_of(object)? {
                    self.object_key(*link)?;
                }
                (Encoding::Node, bytes.as_ref())
            }
        };
        let touched_at = match named {
            Named::Now => 0,
            Named::Soon { now } => now,
        };
        self.change(
            "INSERT INTO objects (hash, encoding, size, touched_at, data) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![object.hash, encoding as u8, object.size, touched_at, data],
            "writing an object",
        )?;
        Ok(self.connection.last_insert_rowid())
    }

    fn encode_rope(&mut self, pieces: &[Piece]) -> Result<Vec<u8>, StoreError> {
        let mut keyed = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let key = self.object_key(piece.object)?;
            keyed.push((key, piece.offset as u64, piece.length as u64));
        }
        Ok(encode_pieces(&keyed))
    }

    /// Refuses values whose objects are not there: they were never put, or were lost when the
    /// transaction that held them failed.
    pub(super) fn check_objects<'value>(
        &mut self,
        values: impl IntoIterator<Item = Option<&'value StoredValue>>,
    ) -> Result<(), StoreError> {
        for value in values.into_iter().flatten() {
            if let StoredValue::Object { hash, .. } = value {
                self.object_key(*hash)?;
            }
        }
        Ok(())
    }

    /// Returns the key of an object that has to be there.
    fn object_key(&mut self, hash: Hash) -> Result<i64, StoreError> {
        if let Some(key) = self.stored.get(&hash) {
            return Ok(key);
        }
        if let Some(key) = self.find_object(hash)? {
            self.stored.insert(hash, key);
            return Ok(key);
        }
        self.missing.push(hash);
        Err(self.stored.absence_of(&hash))
    }

    fn find_object(&self, hash: Hash) -> Result<Option<i64>, StoreError> {
        self.connection
            .prepare_cached("SELECT key FROM objects WHERE hash = ?1")
            .and_then(|mut statement| statement.query_row([hash], |row| row.get(0)).optional())
            .while_("looking an object up")
    }

    fn remember(&mut self, hash: Hash, key: i64) {
        self.stored.insert(hash, key);
        self.written_by_unit.push(hash);
    }
}
