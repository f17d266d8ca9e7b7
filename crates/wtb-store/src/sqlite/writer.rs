//! One transaction for each group of units: applied, undone where need be, committed.

use rusqlite::Connection;

use super::errors::While;
use super::write::{Isolation, Transaction, Undo};
use crate::writer::{Hash, Job, Stored, WriteGroup, Written};
use crate::{Receipt, StoreError};

/// The writer's side of a store.
pub(super) struct Writer {
    connection: Connection,
    stored: Stored,
}

impl WriteGroup for Writer {
    /// Writes a group in one transaction. The error is the one that undid all of it.
    fn write(&mut self, group: &[Job]) -> Result<Written, StoreError> {
        let mut written = self.write_once(group, Isolation::Bare);
        if matches!(written, Err(Undo::Again)) {
            // The objects of a transaction that was undone are not stored after all.
            self.stored.forget(objects_of(group));
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
        Self { connection, stored: Stored::default() }
    }

    fn write_once(&mut self, group: &[Job], isolation: Isolation) -> Result<Written, Undo> {
        self.connection.execute_batch("BEGIN IMMEDIATE").while_("beginning a transaction")?;
        let written = self.write_jobs(group, isolation).and_then(|written| {
            self.connection.execute_batch("COMMIT").while_("committing")?;
            Ok(written)
        });
        if written.is_err() && !self.connection.is_autocommit() {
            // Fails only where SQLite has undone the transaction already.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        written
    }

    fn write_jobs(&mut self, group: &[Job], isolation: Isolation) -> Result<Written, Undo> {
        let mut transaction = Transaction::new(&self.connection, isolation, &mut self.stored)?;
        let mut results = Vec::with_capacity(group.len());
        for job in group {
            results.push(match job {
                Job::Unit(unit, _) => transaction.write_unit(unit)?,
                Job::Object(hash, bytes) => {
                    transaction.write_object(*hash, bytes)?;
                    Ok(Receipt::default())
                }
                Job::Flush(_) => Ok(Receipt::default()),
            });
        }
        let (sequence, missing) = transaction.finish()?;
        Ok(Written { results, sequence: Some(sequence), missing })
    }
}

fn objects_of(group: &[Job]) -> impl Iterator<Item = &Hash> {
    group.iter().filter_map(|job| match job {
        Job::Object(hash, _) => Some(hash),
        Job::Unit(..) | Job::Flush(_) => None,
    })
}
