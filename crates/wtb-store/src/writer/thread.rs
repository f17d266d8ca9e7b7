//! The one thread that writes: it drains what has gathered in the queue, group by group.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::hashes::Hash;
use super::progress::Progress;
use super::queue::{Job, Queue};
use super::stored::{Stored, no_object};
use crate::{Receipt, StoreError, Ticket, UnitOfWork};

/// What became of a group that was written.
#[derive(Debug)]
pub struct Written {
    /// What became of each job, in order. What is said of flushes is not looked at.
    pub results: Vec<Result<Receipt, StoreError>>,
    /// The journal's last sequence number, if it is known.
    pub sequence: Option<u64>,
    /// Objects that units named but that are not there.
    pub missing: Vec<Hash>,
}

/// A database that writes groups of jobs; the thread around it is started by [`Writing::start`].
pub trait WriteGroup: Send + 'static {
    /// Writes a group that holds more than flushes. The error is the one that undid all of it.
    fn write(&mut self, group: &[Job]) -> Result<Written, StoreError>;

    /// Returns what is known of objects.
    fn stored(&mut self) -> &mut Stored;
}

/// How the writer is bounded.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many jobs may wait before submitting waits.
    pub queue_capacity: usize,
    /// How many bytes of objects may wait before storing another one waits.
    pub queue_bytes: usize,
    /// How many jobs one group takes at the most.
    pub group_max: usize,
}

/// The writing side of a store: its queue, its thread, and how far the journal has got.
#[derive(Debug)]
pub struct Writing {
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writing {
    /// Starts the thread that hands groups to `writer`; the journal has got to `sequence`.
    pub fn start(
        url: &str,
        sequence: u64,
        bounds: Bounds,
        writer: impl WriteGroup,
    ) -> Result<Self, StoreError> {
        let progress = Arc::new(Progress::new(sequence));
        let queue = Arc::new(Queue::new(bounds.queue_capacity, bounds.queue_bytes));
        let side = Side {
            url: url.to_owned(),
            queue: Arc::clone(&queue),
            progress: Arc::clone(&progress),
            bounds,
            writer,
        };
        let thread = thread::Builder::new()
            .name("wtb-store-writer".to_owned())
            .spawn(move || side.run())
            .map_err(|error| StoreError::Open {
                url: url.to_owned(),
                reason: format!("its writer cannot be started: {error}"),
            })?;
        Ok(Self { queue, progress, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a unit of work; see [`Store::submit`](crate::Store::submit).
    pub fn submit(&self, unit: UnitOfWork) -> Result<Ticket, StoreError> {
        self.queue.submit(unit)
    }

    /// Waits until everything before is durable or refused.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.queue.flush()?.wait().map(drop)
    }

    /// Queues an object unless it is known to be stored or on its way.
    pub fn put(&self, hash: Hash, bytes: &[u8]) -> Result<(), StoreError> {
        self.queue.put(hash, bytes)
    }

    /// Returns what `read` finds of an object, also while it waits for the unit that names it.
    pub fn get(
        &self,
        hash: Hash,
        read: impl Fn() -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut found = read()?;
        if found.is_none() && self.queue.knows(&hash) {
            match self.flush() {
                Ok(()) | Err(StoreError::Closed) => {}
                Err(error) => return Err(error),
            }
            found = read()?;
        }
        found.ok_or_else(|| no_object(&hash))
    }

    /// Waits for the journal; see [`Store::wait_journal`](crate::Store::wait_journal).
    pub fn wait_journal(&self, after: u64, timeout: Duration) -> u64 {
        self.progress.wait(after, timeout)
    }

    /// Takes nothing more, so that [`Self::join`] has an end to wait for.
    pub fn close(&self) {
        self.queue.close();
    }

    /// Waits until what was queued is written and the thread has ended.
    pub fn join(&self) -> Result<(), StoreError> {
        // Held while joining, so that whoever closes second waits for the end as well.
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        match thread.take().map(JoinHandle::join) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(StoreError::Backend {
                doing: "closing the store".to_owned(),
                reason: "its writer panicked; what was not reported as durable is lost".to_owned(),
            }),
        }
    }
}

/// The thread's side.
struct Side<W> {
    /// The store's address, for errors.
    url: String,
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    bounds: Bounds,
    writer: W,
}

/// Whatever way the writer ends, nobody waits for it any more.
struct EndOfWriter(Arc<Queue>, Arc<Progress>);

impl Drop for EndOfWriter {
    fn drop(&mut self) {
        self.0.abandon();
        self.1.end();
    }
}

impl<W: WriteGroup> Side<W> {
    /// Writes until the queue is closed and empty.
    fn run(mut self) {
        let _end = EndOfWriter(Arc::clone(&self.queue), Arc::clone(&self.progress));
        while let Some(group) = self.queue.take(self.bounds.group_max) {
            let results = self.write(&group);
            redeem(group, results, &self.url);
        }
    }

    fn write(&mut self, group: &[Job]) -> Vec<Result<Receipt, StoreError>> {
        if group.iter().all(|job| matches!(job, Job::Flush(_))) {
            return group.iter().map(|_| Ok(Receipt::default())).collect();
        }
        let results = match self.writer.write(group) {
            Ok(written) => {
                self.queue.forget(&written.missing);
                if let Some(sequence) = written.sequence {
                    self.progress.reach(sequence);
                }
                written.results
            }
            Err(error) => group.iter().map(|_| Err(error.clone())).collect(),
        };
        for (job, result) in group.iter().zip(&results) {
            if let (Job::Object(hash, _), Err(error)) = (job, result) {
                self.writer.stored().lose(hash, error);
                self.queue.forget([hash]);
            }
        }
        results
    }
}

/// Tells those who wait what became of their units. Whoever dropped the ticket does not want to
/// know, so a send that fails is no error.
fn redeem(group: Vec<Job>, results: Vec<Result<Receipt, StoreError>>, url: &str) {
    for (job, result) in group.into_iter().zip(results) {
        let result = result.map_err(|error| error.at_store(url));
        match job {
            Job::Unit(_, ticket) => drop(ticket.send(result)),
            Job::Flush(ticket) => drop(ticket.send(Ok(result.unwrap_or_default()))),
            Job::Object(..) => {}
        }
    }
}
