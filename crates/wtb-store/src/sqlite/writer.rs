//! One transaction for each group of units: applied, undone where need be, committed.

use std::time::SystemTime;

use rusqlite::Connection;

use super::errors::While;
use super::write::{Isolation, Named, Transaction, Undo};
use crate::writer::{Job, Stored, WriteGroup, Written};
use crate::{Receipt, StoreError};

/// The writer's side of a store.
pub(super) struct Writer {
    connection: Connection,
    stored: Stored,
    /// How often objects had been collected when these were stored.
    collections: i64,
}

impl WriteGroup for Writer {
    /// Writes a group in one transaction. The error is the one that undid all of it.
    fn write(&mut self, group: &[Job]) -> Result<Written, StoreError> {
        let mut written = self.write_once(group, Isolation::Bare);
        if matches!(written, Err(Undo::Again)) {
            // The objects of a transaction that was undone are not stored after all.
            self.stored.clear();
            written = self.write_once(group, Isolation::Savepoints);
        }
        match written {
            Ok(written) => Ok(written),
            Err(Undo::Failed(error)) => Err(error),
            // Units in savepoints are undone one by one.
            Err(Undo::Again) => Err(StoreError::Backend {
                doing: "undoing a refused unit".to_owned(),
                reason: "it asked to be undone twice".to_owned(),
            }),
        }
    }

    fn stored(&mut self) -> &mut Stored {
        &mut self.stored
    }
}

impl Writer {
    /// Makes a writer that owns its connection.
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, stored: Stored::default(), collections: 0 }
    }

    fn write_once(&mut self, group: &[Job], isolation: Isolation) -> Result<Written, Undo> {
        self.execute("BEGIN IMMEDIATE").while_("beginning a transaction")?;
        let written = self.write_jobs(group, isolation).and_then(|written| {
            self.execute("COMMIT").while_("committing")?;
            Ok(written)
        });
        if written.is_err() && !self.connection.is_autocommit() {
            // Fails only where SQLite has undone the transaction already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        written
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    fn write_jobs(&mut self, group: &[Job], isolation: Isolation) -> Result<Written, Undo> {
        let (collections, sequence) = begin(&self.connection)?;
        if collections != self.collections {
            self.stored.clear();
            self.collections = collections;
        }
        let mut transaction =
            Transaction::new(&self.connection, isolation, &mut self.stored, sequence);
        let mut results = Vec::with_capacity(group.len());
        for job in group {
            results.push(match job {
                Job::Unit(unit, _) => transaction.write_unit(unit)?,
                Job::Object(object) => {
                    let named = Named::Soon { now: seconds_since_1970() };
                    match transaction.write_object(object, named) {
                        // What it names is not there: what names it will be refused.
                        Err(lacking @ StoreError::NotFound { .. }) => Err(lacking),
                        written => written.map(|_| Receipt::default()).map(Ok)?,
                    }
                }
                Job::Flush(_) => Ok(Receipt::default()),
            });
        }
        let (sequence, missing) = transaction.finish()?;
        Ok(Written { results, sequence: Some(sequence), missing })
    }
}

/// Returns how often objects have been collected, and the journal's last sequence number.
fn begin(connection: &Connection) -> Result<(i64, u64), StoreError> {
    let sql = "SELECT number, (SELECT COALESCE(MAX(sequence), 0) FROM journal) FROM collections";
    connection
        .prepare_cached(sql)
        .and_then(|mut statement| statement.query_row([], |row| Ok((row.get(0)?, row.get(1)?))))
        .while_("reading the store's state")
}

fn seconds_since_1970() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
