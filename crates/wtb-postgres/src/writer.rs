//! One transaction for each group of units: tried again while the server is away, looked up when
//! nobody knows whether it was committed, halved where the database refuses the data of a unit.
//!
//! A connection that dies while it commits leaves open whether it did. Each transaction therefore
//! sets the number of its group in the writer's own row of the table `writers`. After such a death
//! the writer connects again, locks that row (which waits for the end of the old transaction,
//! should the server still be at it) and finds its number there, or not: the units are neither
//! lost nor written twice.

use wtb_store::writer::{Job, Stored, WriteGroup, Written};
use wtb_store::{Receipt, StoreError};

use crate::address::Address;
use crate::connection::Connection;
use crate::errors::Failure;
use crate::patience::Patience;
use crate::write::{Mark, Memory, Outcome, Quick, is_sweeping, threads_of, write, write_stepwise};

/// The writer's side of a store.
pub(crate) struct Writer {
    address: Address,
    connection: Option<Connection>,
    memory: Memory,
    /// The journal's last number, as far as it is known.
    sequence: u64,
    id: [u8; 16],
    /// Whether the writer's row is there.
    registered: bool,
    /// The number of the last group.
    group: i64,
}

/// A group whose transaction may have been committed, with what is told if it was.
type Doubt = Option<Outcome>;

impl WriteGroup for Writer {
    fn write(&mut self, group: &[Job]) -> Result<Written, StoreError> {
        let mut written = Written { results: Vec::new(), sequence: None, missing: Vec::new() };
        for part in group.chunk_by(|one, next| !sweeps(one) && !sweeps(next)) {
            self.write_part(part, &mut written);
        }
        Ok(written)
    }

    fn stored(&mut self) -> &mut Stored {
        &mut self.memory.stored
    }
}

impl Writer {
    /// Makes a writer that connects when there is something to write.
    pub(crate) fn new(address: Address, sequence: u64) -> Result<Self, StoreError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id).map_err(|error| StoreError::Open {
            url: address.url.clone(),
            reason: format!("the operating system gave no randomness: {error}"),
        })?;
        let (connection, memory) = (None, Memory::default());
        Ok(Self { address, connection, memory, sequence, id, registered: false, group: 0 })
    }

    /// Writes a part of a group, and adds what became of its jobs.
    fn write_part(&mut self, jobs: &[Job], written: &mut Written) {
        match self.write_patiently(jobs) {
            Ok(outcome) => {
                written.results.extend(outcome.results);
                written.sequence = outcome.sequence.or(written.sequence);
                self.sequence = outcome.sequence.unwrap_or(self.sequence);
                written.missing.extend(outcome.missing);
            }
            // Some unit is to blame: the others shall not suffer for it.
            Err(Failure::Data(_)) if jobs.len() > 1 => {
                let (left, right) = jobs.split_at(jobs.len() / 2);
                self.write_part(left, written);
                self.write_part(right, written);
            }
            Err(failure) => {
                let error = match failure {
                    Failure::Data(error) | Failure::Conflict(error) | Failure::Fatal(error) => {
                        error
                    }
                    Failure::Lost(reason) => {
                        StoreError::Backend { doing: "writing".to_owned(), reason }
                    }
                };
                written.results.extend(jobs.iter().map(|_| Err(error.clone())));
            }
        }
    }

    fn write_patiently(&mut self, jobs: &[Job]) -> Result<Outcome, Failure> {
        self.group += 1;
        let mut doubt = None;
        let url = self.address.url.clone();
        let mut patience = Patience::new(&url, self.address.options.patience);
        loop {
            let failure = match self.write_once(jobs, &mut doubt) {
                Ok(outcome) => return Ok(outcome),
                Err(failure) => failure,
            };
            // The objects of a transaction that was undone are not stored after all.
            self.memory.stored.clear();
            patience.again(failure).map_err(|failure| in_doubt(failure, doubt.as_ref()))?;
        }
    }

    /// Writes the jobs in one transaction, unless it turns out that this was done before.
    fn write_once(&mut self, jobs: &[Job], doubt: &mut Doubt) -> Result<Outcome, Failure> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address)?,
        };
        let written = self.write_on(&mut connection, jobs, doubt);
        // One that failed may be within a transaction, or dead.
        let lost = matches!(written, Err(Failure::Lost(_)));
        if written.is_ok() || (!lost && connection.undo()) {
            self.connection = Some(connection);
        }
        written
    }

    fn write_on(
        &mut self,
        connection: &mut Connection,
        jobs: &[Job],
        doubt: &mut Doubt,
    ) -> Result<Outcome, Failure> {
        let mark = Mark { writer: self.id, group: self.group };
        if !self.registered {
            Mark::register(connection, self.id)?;
            self.registered = true;
        }
        if doubt.is_none()
            && let Some(outcome) = self.write_quickly(connection, jobs, &mark, doubt)?
        {
            return Ok(outcome);
        }
        let collections = connection.begin_writing(&threads_of(jobs))?;
        if collections != self.memory.collections {
            self.memory.stored.clear();
            self.memory.collections = collections;
        }
        if doubt.is_some() {
            let committed = mark.was_left(connection).map_err(still_under_way)?;
            if let Some(outcome) = doubt.take().filter(|_| committed) {
                // That this connection may die, too, changes nothing about what is known now.
                let _alive = connection.undo();
                return Ok(outcome);
            }
        }
        let outcome = self.write_within(connection, jobs, &mark).inspect_err(|failure| {
            // Its row may be what is missing.
            self.registered = !matches!(failure, Failure::Conflict(_));
        })?;
        if outcome.undo {
            self.memory.stored.clear();
            connection.batch("ROLLBACK", "undoing a refused unit")?;
            return Ok(outcome);
        }
        match connection.commit() {
            Ok(()) => Ok(outcome),
            Err(Failure::Lost(reason)) => {
                *doubt = Some(outcome);
                Err(Failure::Lost(reason))
            }
            // The server looks at no data any more: its answer could not be read.
            Err(Failure::Data(error)) => {
                *doubt = Some(outcome);
                Err(Failure::Lost(error.to_string()))
            }
            Err(refused) => Err(refused),
        }
    }

    /// Writes jobs that are checkpoints and writes by one statement, if that is possible.
    fn write_quickly(
        &mut self,
        connection: &mut Connection,
        jobs: &[Job],
        mark: &Mark,
        doubt: &mut Doubt,
    ) -> Result<Option<Outcome>, Failure> {
        let Some(quick) = Quick::prepare(connection, jobs, &mut self.memory)? else {
            return Ok(None);
        };
        let written = quick.write(connection, jobs, &mut self.memory, mark);
        let outcome = |sequence| Outcome {
            results: jobs.iter().map(|_| Ok(Receipt { sequence })).collect(),
            sequence: Some(sequence),
            ..Outcome::default()
        };
        match written {
            Ok(sequence) => Ok(sequence.map(outcome)),
            Err(failure) => {
                // The row of the writer may be what is missing.
                self.registered = !matches!(failure, Failure::Conflict(_));
                if matches!(failure, Failure::Lost(_)) {
                    *doubt = Some(outcome(self.sequence));
                }
                Err(failure)
            }
        }
    }

    /// Writes the jobs in the transaction that was begun.
    fn write_within(
        &mut self,
        connection: &mut Connection,
        jobs: &[Job],
        mark: &Mark,
    ) -> Result<Outcome, Failure> {
        match jobs {
            [job] if sweeps(job) => {
                let locks = connection.locks();
                write_stepwise(connection, job, &mut self.memory, locks, mark)
            }
            _ => write(connection, jobs, &mut self.memory, mark),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.as_mut().filter(|_| self.registered) {
            // If it fails, the row is removed later, by whoever registers.
            let _ = Mark::unregister(connection, self.id);
        }
    }
}

/// As long as the old transaction holds its lock, nobody knows how it ends: ask again.
fn still_under_way(failure: Failure) -> Failure {
    match failure {
        Failure::Fatal(StoreError::Busy(reason)) => Failure::Lost(reason),
        other => other,
    }
}

/// Says so where it stays open whether the units were written.
fn in_doubt(failure: Failure, doubt: Option<&Outcome>) -> Failure {
    match failure {
        Failure::Fatal(StoreError::Unavailable { url, reason }) if doubt.is_some() => {
            let reason = format!(
                "{reason}; the connection was lost during a commit, so that it is not known \
                 whether what was to be written was"
            );
            Failure::Fatal(StoreError::Unavailable { url, reason })
        }
        other => other,
    }
}

/// Whether a job has a transaction of its own.
fn sweeps(job: &Job) -> bool {
    match job {
        Job::Unit(unit, _) => is_sweeping(unit),
        Job::Object(_) | Job::Flush(_) => false,
    }
}
