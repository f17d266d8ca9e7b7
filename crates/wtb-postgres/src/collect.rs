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
//!   for longer than anybody remembers having put it; nor is what it names, if it is a node.

use std::collections::HashSet;
use std::time::Duration;

use postgres::Row;
use wtb_model::StoredValue;
use wtb_store::codec::{decode_channels, decode_node, decode_pieces, decode_value};
use wtb_store::writer::REMEMBERED_FOR;
use wtb_store::{Collected, Encoding, Hash, Outside, StoreError};

use crate::bulk::ROWS_MAX;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::outside::there;
use crate::sql::Value;

/// How long an object stays that was put ahead of what names it.
const GRACE: Duration = Duration::from_secs(2 * REMEMBERED_FOR.as_secs());
/// Objects are collected by themselves once a quarter as many references have been dropped.
const OBJECTS_PER_DROPPED: i64 = 4;
/// How many rows are fetched at once.
const FETCHED: u32 = 1_000;

/// Columns that hold stored values, and their tables.
const VALUES: &[(&str, &str)] = &[
    ("given", "batches"),
    ("input", "executions"),
    ("output", "executions"),
    ("state", "executions"),
    ("interrupts", "executions"),
    ("input", "cases"),
    ("expected", "cases"),
    ("answers", "cases"),
    ("stdout", "attempts"),
    ("stderr", "attempts"),
    ("found", "attempts"),
    ("files", "attempts"),
    ("input", "nodes"),
    ("output", "nodes"),
    ("body", "checkpoints"),
    ("value", "writes"),
];

/// Objects, with what they are made of if that is others: ropes and nodes.
const OBJECTS: &str = "SELECT key, hash, encoding, CASE WHEN encoding IN (2, 3) THEN data END";

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
pub(crate) fn collect(
    connection: &mut Connection,
    outside: &Outside,
) -> Result<Collected, Failure> {
    let directory = outside.directory()?;
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
    // After the rows: a row must never name a file that is not there.
    if let Some(directory) = directory {
        directory.sweep(|hashes| there(connection, hashes))?;
    }
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
        let (channels, snapshot) = decode_channels(get(row, 0)?).map_err(unreadable)?;
        for value in channels.iter().map(|(_, _, value)| value).chain(&snapshot) {
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

/// The keys and sizes of objects that are neither named, nor part of what stays, nor touched lately.
fn dead(connection: &mut Connection, named: &HashSet<Hash>) -> Result<Vec<(i64, i64)>, Failure> {
    let young = format!("touched_at >= extract(epoch FROM now())::bigint - {}", GRACE.as_secs());
    let bytes = "CASE encoding WHEN 4 THEN size ELSE length(data)::bigint END";
    let sql = format!("{OBJECTS}, {bytes}, {young} FROM @.objects");
    let (mut parts, mut unnamed) = (Parts::default(), Vec::new());
    each_row(connection, &sql, &mut |row| {
        let (hash, is_young): (&[u8], bool) = (get(row, 1)?, get(row, 5)?);
        let is_named = hash.try_into().is_ok_and(|hash: Hash| named.contains(&hash));
        if is_named || is_young {
            return parts.add(row);
        }
        unnamed.push((get(row, 0)?, get(row, 4)?));
        Ok(())
    })?;
    let parts = parts.follow(connection)?;
    unnamed.retain(|(key, _)| !parts.keys.contains(key));
    Ok(unnamed)
}

/// What stays since it is part of what stays.
#[derive(Default)]
struct Parts {
    keys: HashSet<i64>,
    /// What nodes name, and what of it was not looked at.
    links: HashSet<Hash>,
    open: Vec<Hash>,
}

impl Parts {
    /// Adds what an object is made of, if that is others.
    fn add(&mut self, row: &Row) -> Result<(), Failure> {
        let Some(data) = get::<Option<&[u8]>>(row, 3)? else { return Ok(()) };
        if get::<i16>(row, 2)? == i16::from(Encoding::Rope as u8) {
            let pieces = decode_pieces(data).map_err(unreadable)?;
            self.keys.extend(pieces.into_iter().map(|(key, _, _)| key));
        } else {
            let (links, _) = decode_node(data).map_err(unreadable)?;
            self.open.extend(links.iter().filter(|link| self.links.insert(**link)));
        }
        Ok(())
    }

    /// Adds what is named by nodes, and so on.
    fn follow(mut self, connection: &mut Connection) -> Result<Self, Failure> {
        let sql = format!("{OBJECTS} FROM @.objects WHERE hash = ANY($1)");
        while !self.open.is_empty() {
            let rest = self.open.len().saturating_sub(ROWS_MAX);
            let part = self.open.split_off(rest);
            let part = Value::Blobs(part.iter().map(|hash| Some(hash.to_vec())).collect());
            for row in connection.query(&sql, &[part], "looking for what nodes name")? {
                self.keys.insert(get(&row, 0)?);
                self.add(&row)?;
            }
        }
        Ok(self)
    }
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
