//! Collection: objects that nothing names any more are removed.
//!
//! Mark and sweep, in one transaction that holds the objects' lock alone, so that no writer, of this
//! program or another, can name an object in between. Rows are fetched by a cursor of the
//! transaction, so that a large store is not in memory at once. Two memories of writers have to be
//! right afterwards:
//!
//! - a writer remembers the keys of objects that it knows to be there. It forgets them when it sees,
//!   at the begin of a transaction, that `collections.number` has changed;
//! - an object may be put ahead of the unit that names it. It is *touched* then, and not collected
//!   for longer than anybody remembers having put it.

use std::collections::HashSet;
use std::time::Duration;

use postgres::Row;
use wtb_model::StoredValue;
use wtb_store::codec::{decode_channels, decode_pieces, decode_value};
use wtb_store::writer::REMEMBERED_FOR;
use wtb_store::{Collected, Encoding, Hash, StoreError};

use crate::bulk::ROWS_MAX;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::Value;

/// How long an object stays that was put ahead of what names it.
const GRACE: Duration = Duration::from_secs(2 * REMEMBERED_FOR.as_secs());
/// Objects are collected by themselves once a quarter as many references have been dropped.
const OBJECTS_PER_DROPPED: i64 = 4;
/// How many rows are fetched at once.
const FETCHED: u32 = 1_000;

/// Columns that hold stored values, and their tables.
const VALUES: &[(&str, &str)] = &[
    ("input", "executions"),
    ("output", "executions"),
    ("state", "executions"),
    ("interrupts", "executions"),
    ("input", "cases"),
    ("expected", "cases"),
    ("answers", "cases"),
    ("stdout", "attempts"),
    ("stderr", "attempts"),
    ("input", "nodes"),
    ("output", "nodes"),
    ("body", "checkpoints"),
    ("value", "writes"),
];

/// Whether so much has been dropped that collecting is worth its while.
pub(crate) fn is_due(connection: &mut Connection) -> Result<bool, Failure> {
    let sql = "SELECT CASE WHEN dropped > 0 \
               THEN dropped * $1 >= (SELECT count(*) FROM @.objects) ELSE FALSE END \
               FROM @.collections";
    let doing = "asking whether to collect";
    let rows = connection.query(sql, &[OBJECTS_PER_DROPPED.into()], doing)?;
    rows.first().map_or(Ok(false), |row| get(row, 0))
}

/// Removes the objects that nothing names.
pub(crate) fn collect(connection: &mut Connection) -> Result<Collected, Failure> {
    connection.begin_collecting()?;
    let named = named(connection)?;
    let dead = dead(connection, &named)?;
    let mut collected = Collected::default();
    for part in dead.chunks(ROWS_MAX) {
        let keys = Value::ints(part.iter().map(|(key, _)| *key));
        let sql = "DELETE FROM @.objects WHERE key = ANY($1)";
        collected.objects += connection.execute(sql, &[keys], "collecting objects")?;
        collected.bytes += part.iter().map(|(_, bytes)| bytes.unsigned_abs()).sum::<u64>();
    }
    let moved = i64::from(collected.objects > 0);
    let sql = "UPDATE @.collections SET number = number + $1, dropped = 0";
    connection.execute(sql, &[moved.into()], "noting a collection")?;
    connection.commit()?;
    Ok(collected)
}

/// The hashes that values name.
fn named(connection: &mut Connection) -> Result<HashSet<Hash>, Failure> {
    let mut named = HashSet::new();
    // Only values of this form name an object: see `wtb_store::codec`.
    let values: Vec<_> = VALUES
        .iter()
        .map(|(column, table)| {
            format!("SELECT {column} FROM @.{table} WHERE substr({column}, 1, 1) = '\\x02'")
        })
        .collect();
    each_row(connection, &values.join(" UNION ALL "), &mut |row| {
        note(&mut named, &decode_value(get(row, 0)?).map_err(unreadable)?);
        Ok(())
    })?;
    each_row(connection, "SELECT channels FROM @.checkpoints", &mut |row| {
        let channels = decode_channels(get(row, 0)?).map_err(unreadable)?;
        for (_, _, value) in &channels {
            note(&mut named, value);
        }
        Ok(())
    })?;
    Ok(named)
}

fn note(named: &mut HashSet<Hash>, value: &StoredValue) {
    if let StoredValue::Object { hash, .. } = value {
        named.insert(*hash);
    }
}

/// The keys and sizes of objects that are neither named, nor pieces of what stays, nor touched
/// lately.
fn dead(connection: &mut Connection, named: &HashSet<Hash>) -> Result<Vec<(i64, i64)>, Failure> {
    let sql = format!(
        "SELECT key, hash, CASE encoding WHEN {} THEN data END, length(data)::bigint, \
         touched_at >= extract(epoch FROM now())::bigint - {} FROM @.objects",
        Encoding::Rope as u8,
        GRACE.as_secs()
    );
    let (mut pieces, mut unnamed) = (HashSet::new(), Vec::new());
    each_row(connection, &sql, &mut |row| {
        let (hash, is_young): (&[u8], bool) = (get(row, 1)?, get(row, 4)?);
        let is_named = hash.try_into().is_ok_and(|hash: Hash| named.contains(&hash));
        if !is_named && !is_young {
            unnamed.push((get(row, 0)?, get(row, 3)?));
        } else if let Some(rope) = get::<Option<&[u8]>>(row, 2)? {
            let keyed = decode_pieces(rope).map_err(unreadable)?;
            pieces.extend(keyed.into_iter().map(|(key, _, _)| key));
        }
        Ok(())
    })?;
    unnamed.retain(|(key, _)| !pieces.contains(key));
    Ok(unnamed)
}

/// Shows each row of a query, some at a time.
fn each_row(
    connection: &mut Connection,
    sql: &str,
    show: &mut dyn FnMut(&Row) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let doing = "looking for what names objects";
    connection.batch(&format!("DECLARE found NO SCROLL CURSOR FOR {sql}"), doing)?;
    loop {
        let rows = connection.query(&format!("FETCH {FETCHED} FROM found"), &[], doing)?;
        rows.iter().try_for_each(&mut *show)?;
        if rows.is_empty() {
            break;
        }
    }
    connection.batch("CLOSE found", doing)
}

fn unreadable(reason: String) -> Failure {
    let what = "what names objects".to_owned();
    Failure::Fatal(StoreError::Unreadable { what, reason })
}
