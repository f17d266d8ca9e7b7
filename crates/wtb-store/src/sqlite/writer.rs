//! The one thread that writes: it drains what has gathered in the queue into one transaction.
//!
//! A unit that is refused is undone alone. When the database itself fails (a full disk, say), the
//! whole transaction is undone, every unit in it is told so, and the writer goes on with what
//! comes next: whether to try again is for those who submitted to decide.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::errors::{While, at_store};
use super::hashes::{Hash, Hashes};
use super::queue::{Job, Queue};
use super::write::{Isolation, Transaction, Undo};
use crate::{Receipt, StoreError};

/// The journal's last sequence number as the writer knows it, for those who wait for more.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<ProgressState>,
    changed: Condvar,
}

#[derive(Debug)]
struct ProgressState {
    sequence: u64,
    ended: bool,
}

impl Progress {
    /// Begins at a sequence number.
    pub(super) fn new(sequence: u64) -> Self {
        Self {
            state: Mutex::new(ProgressState { sequence, ended: false }),
            changed: Condvar::new(),
        }
    }

    /// Waits until the sequence number exceeds `after`, the timeout is over or the writer ended.
    pub(super) fn wait(&self, after: u64, timeout: Duration) -> u64 {
        // A deadline that the clock cannot express never comes.
        let deadline = Instant::now().checked_add(timeout);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while state.sequence <= after && !state.ended {
            let left =
                deadline.map_or(timeout, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                break;
            }
            state =
                self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.sequence
    }

    fn update(&self, change: impl FnOnce(&mut ProgressState)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}

/// What became of each job of a group.
type Results = Vec<Result<Receipt, StoreError>>;

/// The writer's side of a store.
pub(super) struct Writer {
    connection: Connection,
    /// The store's address, for errors.
    url: String,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    group_max: usize,
    /// Objects that are certainly in the database.
    stored: Hashes,
    /// Why objects were lost, to tell the units that name them.
    lost_because: Option<StoreError>,
}

/// Whatever way the writer ends, nobody waits for it any more.
struct EndOfWriter(Arc<Queue>, Arc<Progress>);

impl Drop for EndOfWriter {
    fn drop(&mut self) {
        self.0.abandon();
        self.1.update(|state| state.ended = true);
    }
}

impl Writer {
    /// Makes a writer that owns its connection.
    pub(super) fn new(
        connection: Connection,
        url: String,
        (queue, progress): (Arc<Queue>, Arc<Progress>),
        group_max: usize,
    ) -> Self {
        let stored = Hashes::default();
        Self { connection, url, queue, progress, group_max, stored, lost_because: None }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _end = EndOfWriter(Arc::clone(&self.queue), Arc::clone(&self.progress));
        while let Some(group) = self.queue.take(self.group_max) {
            let results = self.write(&group);
            if let Err(error) = &results {
                self.lose_objects(&group, error);
            }
            redeem(group, results, &self.url);
        }
    }

    /// Writes a group in one transaction. The error is the one that undid all of it.
    fn write(&mut self, group: &[Job]) -> Result<Results, StoreError> {
        if group.iter().all(|job| matches!(job, Job::Flush(_))) {
            return Ok(group.iter().map(|_| Ok(Receipt::default())).collect());
        }
        let mut written = self.write_once(group, Isolation::Bare);
        if matches!(written, Err(Undo::Again)) {
            self.forget_stored(group);
            written = self.write_once(group, Isolation::Savepoints);
        }
        match written {
            Ok((results, sequence)) => {
                self.progress.update(|state| state.sequence = sequence);
                Ok(results)
            }
            Err(Undo::Failed(error)) => Err(error),
            // Units in savepoints are undone one by one.
            Err(Undo::Again) => Err(StoreError::Backend {
                doing: "undoing a refused unit".to_owned(),
                reason: "it asked to be undone twice".to_owned(),
            }),
        }
    }

    fn write_once(&mut self, group: &[Job], isolation: Isolation) -> Result<(Results, u64), Undo> {
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

    fn write_jobs(&mut self, group: &[Job], isolation: Isolation) -> Result<(Results, u64), Undo> {
        let mut transaction = Transaction::new(
            &self.connection,
            isolation,
            &mut self.stored,
            self.lost_because.as_ref(),
        )?;
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
        self.queue.forget(&missing);
        Ok((results, sequence))
    }

    /// The objects of a transaction that was undone are not stored after all.
    fn forget_stored(&mut self, group: &[Job]) {
        for hash in objects_of(group) {
            self.stored.remove(hash);
        }
    }

    fn lose_objects(&mut self, group: &[Job], error: &StoreError) {
        if objects_of(group).next().is_some() {
            self.forget_stored(group);
            self.queue.forget(objects_of(group));
            self.lost_because = Some(error.clone());
        }
    }
}

fn objects_of(group: &[Job]) -> impl Iterator<Item = &Hash> {
    group.iter().filter_map(|job| match job {
        Job::Object(hash, _) => Some(hash),
        Job::Unit(..) | Job::Flush(_) => None,
    })
}

/// Tells those who wait what became of their units. Whoever dropped the ticket does not want to
/// know, so a send that fails is no error.
fn redeem(group: Vec<Job>, results: Result<Results, StoreError>, url: &str) {
    match results {
        Ok(results) => {
            for (job, result) in group.into_iter().zip(results) {
                if let Job::Unit(_, ticket) | Job::Flush(ticket) = job {
                    let _ = ticket.send(result.map_err(|error| at_store(error, url)));
                }
            }
        }
        Err(error) => {
            let error = at_store(error, url);
            for job in group {
                match job {
                    Job::Unit(_, ticket) => drop(ticket.send(Err(error.clone()))),
                    Job::Flush(ticket) => drop(ticket.send(Ok(Receipt::default()))),
                    Job::Object(..) => {}
                }
            }
        }
    }
}
