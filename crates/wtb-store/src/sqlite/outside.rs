//! The directory of objects, as the database knows it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior};

use super::errors::While;
use crate::{Hash, Location, StoreError, settle};

/// Returns where large objects are, if not in the database. A directory that is beside it or below goes with it.
pub(super) fn get(connection: &Connection) -> Result<Option<Location>, StoreError> {
    let beside = beside(connection);
    let read = |row: &Row<'_>| {
        let path: String = row.get(0)?;
        let path = beside.as_ref().map_or(path.clone().into(), |beside| beside.join(&path));
        Ok(Location { path: path.display().to_string(), id: row.get(1)? })
    };
    connection
        .query_row("SELECT path, id FROM object_directory", [], read)
        .optional()
        .while_("reading where large objects are")
}

/// Writes down that large objects go to a directory, if that may be so. Returns where they are then.
pub(super) fn set(connection: &mut Connection, wanted: &Path) -> Result<Location, StoreError> {
    let doing = "setting the directory of objects";
    let beside = beside(connection);
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).while_(doing)?;
    let (location, is_new) = settle(get(&transaction)?, wanted)?;
    if !is_new {
        return Ok(location);
    }
    let path = beside.and_then(|beside| Path::new(&location.path).strip_prefix(beside).ok());
    let path = path.and_then(Path::to_str).unwrap_or(&location.path);
    let sql = "INSERT OR REPLACE INTO object_directory (only, path, id) VALUES (1, ?1, ?2)";
    transaction.execute(sql, [path, &location.id]).while_(doing)?;
    transaction.commit().while_(doing)?;
    Ok(location)
}

/// The directory that the database is in.
fn beside(connection: &Connection) -> Option<PathBuf> {
    Some(Path::new(connection.path()?).parent()?.to_owned())
}

/// Those of some objects that have rows.
pub(super) fn there(connection: &Connection, hashes: &[Hash]) -> Result<HashSet<Hash>, StoreError> {
    let doing = "looking for the files of objects";
    let mut find = connection.prepare("SELECT 1 FROM objects WHERE hash = ?1").while_(doing)?;
    let mut there = HashSet::new();
    for hash in hashes {
        if find.exists([hash]).while_(doing)? {
            there.insert(*hash);
        }
    }
    Ok(there)
}
