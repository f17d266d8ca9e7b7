//! Objects, checked against the hash that names them.

use wtb_store::StoreError;
use wtb_store::writer::Hash;

use super::Query;
use crate::errors::Failure;
use crate::sql::Value;
use crate::write::PLAIN;

impl Query<'_> {
    /// Returns the bytes of an object, or `None` when there is no such object.
    pub(crate) fn object(&mut self, hash: Hash) -> Result<Option<Vec<u8>>, Failure> {
        let found = self.first(
            "SELECT encoding, data FROM @.objects WHERE hash = $1",
            &[Value::Bytes(Some(hash.to_vec()))],
            "an object",
            |columns| Ok((columns.take::<i16>()?, columns.take::<Vec<u8>>()?)),
        )?;
        let Some((encoding, data)) = found else { return Ok(None) };
        if encoding != PLAIN {
            return Err(Failure::Fatal(StoreError::Unreadable {
                what: "an object".to_owned(),
                reason: format!("encoding {encoding} is not known to this program"),
            }));
        }
        let found = blake3::hash(&data);
        if found.as_bytes() == &hash {
            return Ok(Some(data));
        }
        Err(Failure::Fatal(StoreError::Corrupt {
            hash: blake3::Hash::from_bytes(hash).to_hex().to_string(),
            found: found.to_hex().to_string(),
        }))
    }
}
