//! Objects, checked against the hash that names them.

use super::Query;
use crate::codec::decode_pieces;
use crate::object::corrupt;
use crate::object::{Encoding, Hash, Piece, checked, decoded, hex};
use crate::sqlite::columns::Columns;
use crate::sqlite::outside;
use crate::{Location, Outside, StoreError};

/// An object's bytes, and the pieces that they were put together from; none if it is whole.
pub(in crate::sqlite) type InPieces = (Vec<u8>, Vec<Piece>);

/// A row of the objects.
struct Row {
    encoding: u8,
    size: u64,
    data: Vec<u8>,
    hash: Hash,
}

fn row(columns: &mut Columns<'_>) -> Result<Row, StoreError> {
    Ok(Row {
        encoding: columns.take()?,
        size: columns.take()?,
        data: columns.take()?,
        hash: columns.take()?,
    })
}

impl Query {
    /// Returns the bytes of an object, or `None` when there is no such object.
    pub(in crate::sqlite) fn object(
        &self,
        outside: &Outside,
        hash: Hash,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.object_in_pieces(outside, hash)?.map(|(bytes, _)| bytes))
    }

    /// Returns where large objects are, if not in the database.
    pub(in crate::sqlite) fn object_directory(&self) -> Result<Option<Location>, StoreError> {
        outside::get(&self.connection)
    }

    /// Returns the bytes of an object and the pieces that they were put together from.
    pub(in crate::sqlite) fn object_in_pieces(
        &self,
        outside: &Outside,
        hash: Hash,
    ) -> Result<Option<InPieces>, StoreError> {
        let sql = "SELECT encoding, size, data, hash FROM objects WHERE hash = ?";
        let Some(found) = self.first(sql, &[hash.to_vec().into()], "an object", row)? else {
            return Ok(None);
        };
        let size = found.size;
        let encoding = known_encoding(&found)?;
        if encoding == Encoding::Rope {
            let (bytes, pieces) = self.rope(outside, &found)?;
            return Ok(Some((checked(encoding, hash, bytes)?, pieces)));
        }
        let (encoding, data) =
            outside.read(hash, (encoding, found.data), || self.object_directory())?;
        let bytes = decoded(encoding, data, size).map_err(|reason| corrupt(hash, &reason))?;
        Ok(Some((checked(encoding, hash, bytes)?, Vec::new())))
    }

    fn rope(&self, outside: &Outside, rope: &Row) -> Result<InPieces, StoreError> {
        let keyed = decode_pieces(&rope.data).map_err(|reason| corrupt(rope.hash, &reason))?;
        let mut bytes = Vec::with_capacity(usize::try_from(rope.size).unwrap_or_default());
        let mut pieces = Vec::with_capacity(keyed.len());
        let mut last: Option<(i64, Hash, Vec<u8>)> = None;
        for (key, offset, length) in keyed {
            let (key, object, whole) = match last.take() {
                Some(known) if known.0 == key => known,
                _ => self.segment(outside, key, rope.hash)?,
            };
            let range = usize::try_from(offset).ok().zip(usize::try_from(length).ok());
            let part =
                range.and_then(|(offset, length)| whole.get(offset..offset.checked_add(length)?));
            let part = part.ok_or_else(|| corrupt(rope.hash, "one of its pieces is cut off"))?;
            bytes.extend_from_slice(part);
            let (offset, length) = range.unwrap_or_default();
            pieces.push(Piece { object, offset, length });
            last = Some((key, object, whole));
        }
        Ok((bytes, pieces))
    }

    /// Returns a whole object by its key. It is not checked by itself: the rope is, as a whole.
    fn segment(
        &self,
        outside: &Outside,
        key: i64,
        rope: Hash,
    ) -> Result<(i64, Hash, Vec<u8>), StoreError> {
        let sql = "SELECT encoding, size, data, hash FROM objects WHERE key = ?";
        let found = self
            .first(sql, &[key.into()], "an object", row)?
            .ok_or_else(|| corrupt(rope, "one of its pieces is not there"))?;
        let (encoding, hash) = (known_encoding(&found)?, found.hash);
        let (encoding, data) =
            outside.read(hash, (encoding, found.data), || self.object_directory())?;
        let bytes = decoded(encoding, data, found.size).map_err(|reason| corrupt(rope, &reason))?;
        Ok((key, hash, bytes))
    }
}

fn known_encoding(row: &Row) -> Result<Encoding, StoreError> {
    Encoding::from_number(row.encoding).ok_or_else(|| {
        let reason = format!("its encoding ({}) is not known to this program", row.encoding);
        StoreError::Unreadable { what: format!("the object {}", hex(row.hash)), reason }
    })
}
