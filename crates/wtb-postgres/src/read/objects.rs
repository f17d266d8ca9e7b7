//! Objects, checked against the hash that names them: many by one query, their pieces by another.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use wtb_store::codec::decode_pieces;
use wtb_store::{
    Encoding, Hash, Location, Outside, Piece, StoreError, checked, corrupt, decoded, hex,
};

use super::Query;
use crate::columns::Columns;
use crate::errors::Failure;
use crate::sql::Value;

/// An object's bytes, and the pieces that they were put together from.
pub(crate) type InPieces = (Bytes, Vec<Piece>);

/// A row of the objects.
struct Row {
    key: i64,
    hash: Hash,
    encoding: i16,
    size: u64,
    data: Vec<u8>,
}

/// Whole objects by their keys, decoded but not checked: what is put together from them is.
type Whole = HashMap<i64, (Hash, Result<Vec<u8>, String>)>;

const ROWS: &str = "SELECT key, hash, encoding, size, data FROM @.objects";

impl Query<'_> {
    /// Returns the bytes of an object, or `None` when there is no such object.
    pub(crate) fn object(
        &mut self,
        outside: &Outside,
        hash: Hash,
    ) -> Result<Option<Vec<u8>>, Failure> {
        let mut found = self.objects(outside, &BTreeSet::from([hash]))?;
        Ok(found.remove(&hash).map(|(bytes, _)| bytes.into()))
    }

    /// Returns where large objects are, if not in the database.
    pub(crate) fn object_directory(&mut self) -> Result<Option<Location>, Failure> {
        let sql = "SELECT path, id FROM @.object_directory";
        self.first(sql, &[], "the directory of objects", |columns| {
            Ok(Location { path: columns.take()?, id: columns.take()? })
        })
    }

    /// Returns those of some objects that are there.
    pub(crate) fn objects(
        &mut self,
        outside: &Outside,
        hashes: &BTreeSet<Hash>,
    ) -> Result<HashMap<Hash, InPieces>, Failure> {
        let mut objects = HashMap::with_capacity(hashes.len());
        if hashes.is_empty() {
            return Ok(objects);
        }
        let wanted = Value::Blobs(hashes.iter().map(|hash| Some(hash.to_vec())).collect());
        let sql = format!("{ROWS} WHERE hash = ANY($1)");
        let mut ropes = Vec::new();
        for row in self.all(&sql, &[wanted], "an object", row)? {
            let Row { hash, size, .. } = row;
            match known_encoding(&row)? {
                Encoding::Rope => {
                    let pieces =
                        decode_pieces(&row.data).map_err(|reason| corrupt(hash, &reason))?;
                    ropes.push((hash, size, pieces));
                }
                encoding => {
                    let row = (encoding, row.data);
                    let (encoding, data) = outside.read(hash, row, || self.object_directory())?;
                    let bytes =
                        decoded(encoding, data, size).map_err(|reason| corrupt(hash, &reason))?;
                    objects.insert(hash, (checked(encoding, hash, bytes)?.into(), Vec::new()));
                }
            }
        }
        let keys = ropes.iter().flat_map(|(_, _, pieces)| pieces.iter().map(|(key, ..)| *key));
        let whole = self.whole(outside, keys.collect())?;
        for (hash, size, pieces) in ropes {
            match put_together(hash, size, &pieces, &whole) {
                Ok(found) => drop(objects.insert(hash, found)),
                // It may have been collected between the two queries, together with its pieces.
                Err(error) if self.is_there(hash)? => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(objects)
    }

    fn whole(&mut self, outside: &Outside, keys: BTreeSet<i64>) -> Result<Whole, Failure> {
        if keys.is_empty() {
            return Ok(Whole::new());
        }
        let sql = format!("{ROWS} WHERE key = ANY($1)");
        let rows = self.all(&sql, &[Value::ints(keys)], "an object", row)?;
        let whole = rows.into_iter().map(|row| {
            let (hash, kept) = (row.hash, (known_encoding(&row)?, row.data));
            let (encoding, data) = outside.read(hash, kept, || self.object_directory())?;
            Ok((row.key, (hash, decoded(encoding, data, row.size))))
        });
        whole.collect()
    }

    fn is_there(&mut self, hash: Hash) -> Result<bool, Failure> {
        let sql = "SELECT key FROM @.objects WHERE hash = $1";
        let hash = Value::Bytes(Some(hash.to_vec()));
        let key: Option<i64> = self.first(sql, &[hash], "an object", crate::columns::only)?;
        Ok(key.is_some())
    }
}

fn put_together(
    rope: Hash,
    size: u64,
    keyed: &[(i64, u64, u64)],
    whole: &Whole,
) -> Result<InPieces, StoreError> {
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
    let mut pieces = Vec::with_capacity(keyed.len());
    for (key, offset, length) in keyed {
        let (object, data) =
            whole.get(key).ok_or_else(|| corrupt(rope, "one of its pieces is not there"))?;
        let data = data.as_ref().map_err(|reason| corrupt(rope, reason))?;
        let range = usize::try_from(*offset).ok().zip(usize::try_from(*length).ok());
        let part = range.and_then(|(offset, length)| data.get(offset..offset.checked_add(length)?));
        bytes.extend_from_slice(part.ok_or_else(|| corrupt(rope, "one of its pieces is cut off"))?);
        let (offset, length) = range.unwrap_or_default();
        pieces.push(Piece { object: *object, offset, length });
    }
    Ok((checked(Encoding::Rope, rope, bytes)?.into(), pieces))
}

fn row(columns: &mut Columns<'_>) -> Result<Row, StoreError> {
    let key = columns.take()?;
    let hash: &[u8] = columns.take()?;
    let hash = hash.try_into().map_err(|_| StoreError::Unreadable {
        what: "an object".to_owned(),
        reason: format!("its hash has {} bytes", hash.len()),
    })?;
    Ok(Row { key, hash, encoding: columns.take()?, size: columns.number()?, data: columns.take()? })
}

fn known_encoding(row: &Row) -> Result<Encoding, StoreError> {
    let encoding = u8::try_from(row.encoding).ok().and_then(Encoding::from_number);
    encoding.ok_or_else(|| StoreError::Unreadable {
        what: format!("the object {}", hex(row.hash)),
        reason: format!("its encoding ({}) is not known to this program", row.encoding),
    })
}
