//! The directory of objects, as the database knows it.

use std::collections::HashSet;
use std::path::Path;

use wtb_store::{Hash, Location, settle};

use crate::bulk::ROWS_MAX;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::read::Query;
use crate::sql::Value;

/// Writes down that large objects go to a directory, if that may be so. Returns where they are then.
pub(crate) fn set(connection: &mut Connection, wanted: &Path) -> Result<Location, Failure> {
    // Who names the same one again, as each run of a bench file does, waits for nobody.
    if let Some(known) = Query::new(connection).object_directory()?
        && let (location, false) = settle(Some(known), wanted)?
    {
        return Ok(location);
    }
    connection.begin()?;
    connection.wait_for_writers()?;
    let (location, _) = settle(Query::new(connection).object_directory()?, wanted)?;
    let sql = "INSERT INTO @.object_directory (path, id) VALUES ($1, $2) \
               ON CONFLICT (one) DO UPDATE SET path = excluded.path, id = excluded.id";
    let parameters = [Value::text(&location.path), Value::text(&location.id)];
    connection.execute(sql, &parameters, "setting the directory of objects")?;
    connection.commit()?;
    Ok(location)
}

/// Those of some objects that have rows.
pub(crate) fn there(
    connection: &mut Connection,
    hashes: &[Hash],
) -> Result<HashSet<Hash>, Failure> {
    let sql = "SELECT hash FROM @.objects WHERE hash = ANY($1)";
    let mut there = HashSet::new();
    for part in hashes.chunks(ROWS_MAX) {
        let part = Value::Blobs(part.iter().map(|hash| Some(hash.to_vec())).collect());
        for row in connection.query(sql, &[part], "looking for the files of objects")? {
            there.extend(Hash::try_from(get::<&[u8]>(&row, 0)?));
        }
    }
    Ok(there)
}
