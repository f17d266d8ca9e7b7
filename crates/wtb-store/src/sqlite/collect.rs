//! Collection: objects that nothing names any more are removed.
//!
//! Mark and sweep, in one transaction on a connection of its own, so that no writer, of this program
//! or another, can name an object in between. What names objects is scanned without the objects
//! themselves. Two memories of writers have to be right afterwards:
//!
//! - a writer remembers the keys of objects that it knows to be there. It forgets them when it sees,
//!   at the begin of a transaction, that `collections.number` has changed;
//! - an object may be put ahead of the unit that names it. It is *touched* then, and not collected
//!   for longer than anybody remembers having put it; nor is what it names, if it is a node.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use wtb_model::StoredValue;

use super::errors::While;
use super::outside::there;
use crate::codec::{decode_channels, decode_node, decode_pieces, decode_value};
use crate::object::{Encoding, Hash};
use crate::writer::REMEMBERED_FOR;
use crate::{Collected, Outside, StoreError};

/// How long an object stays that was put ahead of what names it.
const GRACE: Duration = Duration::from_secs(2 * REMEMBERED_FOR.as_secs());
/// Objects are collected by themselves once a quarter as many references have been dropped.
const OBJECTS_PER_DROPPED: i64 = 4;

/// Columns that hold stored values.
const VALUES: &[&str] = &[
    "SELECT given FROM batches",
    "SELECT input FROM executions",
    "SELECT output FROM executions",
    "SELECT state FROM executions",
    "SELECT interrupts FROM executions",
    "SELECT input FROM cases",
    "SELECT expected FROM cases",
    "SELECT answers FROM cases",
    "SELECT stdout FROM attempts",
    "SELECT stderr FROM attempts",
    "SELECT found FROM attempts",
    "SELECT files FROM attempts",
    "SELECT input FROM nodes",
    "SELECT output FROM nodes",
    "SELECT body FROM checkpoints",
    "SELECT value FROM writes",
];

/// An object's key, and what it is made of if that is others.
const NAMED: &str = "SELECT key, encoding, CASE WHEN encoding IN (?2, ?3) THEN data END \
                     FROM objects WHERE hash = ?1";

/// Whether so much has been dropped that collecting is worth its while.
pub(super) fn is_due(connection: &Connection) -> Result<bool, StoreError> {
    let sql =
        "SELECT dropped > 0 AND dropped * ?1 >= (SELECT COUNT(*) FROM objects) FROM collections";
    connection
        .query_row(sql, [OBJECTS_PER_DROPPED], |row| row.get(0))
        .while_("asking whether to collect")
}

/// Removes the objects that nothing names.
pub(super) fn collect(
    connection: &mut Connection,
    outside: &Outside,
) -> Result<Collected, StoreError> {
    let doing = "collecting objects";
    let directory = outside.directory()?;
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .while_(doing)?;
    let young = now().saturating_sub(i64::try_from(GRACE.as_secs()).unwrap_or(i64::MAX));
    let live = live_keys(&transaction, young)?;
    let dead = dead_keys(&transaction, &live, young)?;
    let mut collected = Collected::default();
    {
        let mut delete = transaction.prepare("DELETE FROM objects WHERE key = ?1").while_(doing)?;
        for (key, bytes) in dead {
            delete.execute([key]).while_(doing)?;
            collected.objects += 1;
            collected.bytes += bytes;
        }
    }
    let moved = i64::from(collected.objects > 0);
    transaction
        .execute("UPDATE collections SET number = number + ?1, dropped = 0", [moved])
        .while_(doing)?;
    transaction.commit().while_(doing)?;
    // After the rows: a row must never name a file that is not there.
    if let Some(directory) = directory {
        directory.sweep(|hashes| there(connection, hashes))?;
    }
    Ok(collected)
}

/// The keys of objects that are named, of nodes that may be soon, and of all that they are made of.
fn live_keys(connection: &Connection, young: i64) -> Result<HashSet<i64>, StoreError> {
    let doing = "looking up what is named";
    let mut named = named(connection)?;
    // Nodes that were put ahead of what will name them: what is in them may be older than they are.
    let node = Encoding::Node as u8;
    let sql = format!("SELECT hash FROM objects WHERE encoding = {node} AND touched_at >= {young}");
    each_blob(connection, &sql, |hash| {
        named.extend(Hash::try_from(hash));
        Ok(())
    })?;
    let mut live = HashSet::with_capacity(named.len());
    let mut find = connection.prepare(NAMED).while_(doing)?;
    let mut open: Vec<Hash> = named.iter().copied().collect();
    while let Some(hash) = open.pop() {
        let of = params![hash, Encoding::Rope as u8, Encoding::Node as u8];
        let mut rows = find.query(of).while_(doing)?;
        let Some(row) = rows.next().while_(doing)? else { continue };
        live.insert(row.get(0).while_(doing)?);
        let (encoding, data): (u8, Option<Vec<u8>>) =
            (row.get(1).while_(doing)?, row.get(2).while_(doing)?);
        let data = data.unwrap_or_default();
        if encoding == Encoding::Rope as u8 {
            let pieces = decode_pieces(&data).map_err(unreadable)?;
            live.extend(pieces.into_iter().map(|(key, _, _)| key));
        } else if encoding == Encoding::Node as u8 {
            let (links, _) = decode_node(&data).map_err(unreadable)?;
            open.extend(links.iter().filter(|link| named.insert(**link)));
        }
    }
    Ok(live)
}

/// The hashes that values name.
fn named(connection: &Connection) -> Result<HashSet<Hash>, StoreError> {
    let mut named = HashSet::new();
    for sql in VALUES {
        each_blob(connection, sql, |blob| {
            note(&mut named, &decode_value(blob)?);
            Ok(())
        })?;
    }
    each_blob(connection, "SELECT channels FROM checkpoints", |blob| {
        let (channels, snapshot) = decode_channels(blob)?;
        let channels = channels.iter().map(|(_, _, value)| value);
        channels.chain(&snapshot).for_each(|value| note(&mut named, value));
        Ok(())
    })?;
    Ok(named)
}

fn note(named: &mut HashSet<Hash>, value: &StoredValue) {
    if let StoredValue::Object { hash, .. } = value {
        named.insert(*hash);
    }
}

fn each_blob(
    connection: &Connection,
    sql: &str,
    mut take: impl FnMut(&[u8]) -> Result<(), String>,
) -> Result<(), StoreError> {
    let doing = "looking for what names objects";
    let mut statement = connection.prepare(sql).while_(doing)?;
    let mut rows = statement.query([]).while_(doing)?;
    while let Some(row) = rows.next().while_(doing)? {
        let value = row.get_ref(0).while_(doing)?;
        if let ValueRef::Blob(blob) = value {
            take(blob).map_err(unreadable)?;
        }
    }
    Ok(())
}

/// The keys and sizes of objects that are neither named nor touched lately.
fn dead_keys(
    connection: &Connection,
    live: &HashSet<i64>,
    young: i64,
) -> Result<Vec<(i64, u64)>, StoreError> {
    let doing = "looking for objects that nothing names";
    let mut statement = connection
        .prepare(
            "SELECT key, CASE encoding WHEN ?2 THEN size ELSE length(data) END FROM objects \
             WHERE touched_at < ?1",
        )
        .while_(doing)?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let all = statement.query_map(params![young, Encoding::File as u8], read).while_(doing)?;
    let mut dead = Vec::new();
    for one in all {
        let (key, bytes) = one.while_(doing)?;
        if !live.contains(&key) {
            dead.push((key, bytes));
        }
    }
    Ok(dead)
}

fn unreadable(reason: String) -> StoreError {
    StoreError::Unreadable { what: "what names objects".to_owned(), reason }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
