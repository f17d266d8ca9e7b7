//! Objects, checked against the hash that names them.

use super::Query;
use crate::StoreError;
use crate::sqlite::columns::only;
use crate::writer::Hash;

impl Query {
    /// Returns the bytes of an object, or `None` when there is no such object.
    pub(in crate::sqlite) fn object(&self, hash: Hash) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT data FROM objects WHERE hash = ?";
        let data: Option<Vec<u8>> = self.first(sql, &[hash.to_vec().into()], "an object", only)?;
        let Some(data) = data else { return Ok(None) };
        let found = blake3::hash(&data);
        if found.as_bytes() == &hash {
            return Ok(Some(data));
        }
        Err(StoreError::Corrupt {
            hash: blake3::Hash::from_bytes(hash).to_hex().to_string(),
            found: found.to_hex().to_string(),
        })
    }
}
