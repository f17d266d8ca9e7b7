//! The directory of objects, as the database knows it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior};

use super::errors::While;
use crate::{Hash, Location, StoreError, check_move};

/// Returns where large objects are, if not in the database.
pub(super) fn get(connection: &Connection) -> Result<Option<Location>, StoreError> {
    let read = |row: &Row<'_>| Ok(Location { path: row.get(0)?, id: row.get(1)? });
    connection
        .query_row("SELECT path, id FROM object_directory", [], read)
        .optional()
        .while_("reading where large objects are")
}

/// Writes down where large objects go, if that may be so.
pub(super) fn set(connection: &mut Connection, wanted: &Location) -> Result<(), StoreError> {
    let doing = "setting the directory of objects";
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).while_(doing)?;
    if check_move(get(&transaction)?.as_ref(), wanted)? {
        let sql = "INSERT OR REPLACE INTO object_directory (only, path, id) VALUES (1, ?1, ?2)";
        transaction.execute(sql, [&wanted.path, &wanted.id]).while_(doing)?;
    }
    transaction.commit().while_(doing)
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
