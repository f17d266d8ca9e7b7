//! Who writes: one thread at a time, the writer's own or one that waits for what it submitted.
//!
//! To hand a unit to another thread and to be woken afterwards takes longer than to write it. So
//! who waits writes itself, with everything that has gathered, if nobody is writing; otherwise
//! whoever is writing goes on with it. What nobody waits for is left to the writer's thread.

use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::progress::Progress;
use super::queue::{Job, Queue};
use super::stored::{Stored, no_object};
use crate::{Hash, NewObject, Outside, Receipt, StoreError, Ticket, UnitOfWork};

/// After so many groups that came in while it wrote, a waiting thread leaves the rest to the
/// writer's own thread.
const GROUPS_MAX: usize = 4;

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

/// A database that writes groups of jobs.
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
    turns: Arc<Turns>,
    thread: Mutex<Option<JoinHandle<()>>>,
    outside: Arc<Outside>,
}

impl Writing {
    /// Starts the thread that hands groups to `writer`; the journal has got to `sequence`, and large objects
    /// go where `outside` says.
    pub fn start(
        url: &str,
        sequence: u64,
        bounds: Bounds,
        outside: Arc<Outside>,
        writer: impl WriteGroup,
    ) -> Result<Self, StoreError> {
        let turns = Arc::new(Turns {
            url: url.to_owned(),
            queue: Queue::new(bounds.queue_capacity, bounds.queue_bytes),
            progress: Progress::new(sequence),
            group_max: bounds.group_max,
            writer: Mutex::new(Some(Box::new(writer))),
        });
        let writing = Arc::clone(&turns);
        let thread = thread::Builder::new()
            .name("wtb-store-writer".to_owned())
            .spawn(move || writing.run())
            .map_err(|error| StoreError::Open {
                url: url.to_owned(),
                reason: format!("its writer cannot be started: {error}"),
            })?;
        Ok(Self { turns, thread: Mutex::new(Some(thread)), outside })
    }

    /// Queues a unit of work; see [`Store::submit`](crate::Store::submit).
    pub fn submit(&self, mut unit: UnitOfWork) -> Result<Ticket, StoreError> {
        self.outside.put_all(&mut unit)?;
        let (sender, ticket) = self.turns.ticket();
        self.turns.queue.submit(unit, sender, false)?;
        Ok(ticket)
    }

    /// Whether [`Self::submit`] would wait for room at the moment.
    pub fn is_full(&self) -> bool {
        self.turns.queue.is_full()
    }

    /// Queues a unit of work and waits until it is durable or refused.
    pub fn commit(&self, mut unit: UnitOfWork) -> Result<Receipt, StoreError> {
        self.outside.put_all(&mut unit)?;
        let (sender, ticket) = self.turns.ticket();
        self.turns.queue.submit(unit, sender, true)?;
        ticket.wait()
    }

    /// Waits until everything before is durable or refused.
    pub fn flush(&self) -> Result<(), StoreError> {
        let (sender, ticket) = self.turns.ticket();
        self.turns.queue.flush(sender)?;
        ticket.wait().map(drop)
    }

    /// Waits until what was queued before can be read, also when the store is closed.
    pub fn settle(&self) {
        self.turns.settle();
    }

    /// Queues an object unless it is known to be stored or on its way.
    pub fn put(&self, mut object: NewObject) -> Result<(), StoreError> {
        if !self.turns.queue.knows(&object.hash) {
            self.outside.put(&mut object)?;
        }
        self.turns.queue.put(object)
    }

    /// Returns what `read` finds of an object, also while it waits for the unit that names it.
    pub fn get(
        &self,
        hash: Hash,
        read: impl Fn() -> Result<Option<Vec<u8>>, StoreError>,
    ) -> Result<Vec<u8>, StoreError> {
        let mut found = read()?;
        if found.is_none() && self.turns.queue.knows(&hash) {
            self.settle();
            found = read()?;
        }
        found.ok_or_else(|| no_object(&hash))
    }

    /// Waits for the journal; see [`Store::wait_journal`](crate::Store::wait_journal).
    pub fn wait_journal(&self, after: u64, timeout: Duration) -> u64 {
        self.turns.progress.wait(after, timeout)
    }

    /// Takes nothing more, so that [`Self::join`] has an end to wait for.
    pub fn close(&self) {
        self.turns.queue.close();
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

/// The writer, for whoever has its turn.
struct Turns {
    /// The store's address, for errors.
    url: String,
    queue: Queue,
    progress: Progress,
    group_max: usize,
    /// None once the queue is closed and empty: then its connection is closed, too.
    writer: Mutex<Option<Box<dyn WriteGroup>>>,
}

impl Turns {
    /// The life of the writer's thread: it writes what has gathered until the queue is closed.
    fn run(&self) {
        let _end = End(self);
        while self.queue.wait() {
            self.take_turn(&mut self.lock());
        }
        drop(self.lock().take());
    }

    fn ticket(self: &Arc<Self>) -> (SyncSender<Result<Receipt, StoreError>>, Ticket) {
        let turns = Arc::clone(self);
        Ticket::new(move || turns.hurry())
    }

    /// Writes what is queued, unless somebody else does.
    fn hurry(&self) {
        if self.queue.is_empty() {
            return;
        }
        match self.writer.try_lock() {
            Ok(mut writer) => self.take_turns(&mut writer),
            // Whoever writes may have looked into the queue for the last time: the thread has not.
            Err(_) => self.queue.hurry(),
        }
    }

    fn settle(&self) {
        let is_writing = matches!(self.writer.try_lock(), Err(TryLockError::WouldBlock));
        if is_writing || !self.queue.is_empty() {
            self.take_turns(&mut self.lock());
        }
    }

    fn take_turns(&self, writer: &mut Option<Box<dyn WriteGroup>>) {
        for _ in 0..GROUPS_MAX {
            if !self.take_turn(writer) {
                return;
            }
        }
        self.queue.hurry();
    }

    /// Writes one group; tells whether there was one.
    fn take_turn(&self, writer: &mut Option<Box<dyn WriteGroup>>) -> bool {
        let Some(writer) = writer else { return false };
        let Some(group) = self.queue.take(self.group_max) else { return false };
        let on_panic = End(self);
        let results = self.write(writer.as_mut(), &group);
        std::mem::forget(on_panic);
        redeem(group, results, &self.url);
        true
    }

    fn write(
        &self,
        writer: &mut dyn WriteGroup,
        group: &[Job],
    ) -> Vec<Result<Receipt, StoreError>> {
        if group.iter().all(|job| matches!(job, Job::Flush(_))) {
            return group.iter().map(|_| Ok(Receipt::default())).collect();
        }
        let results = match writer.write(group) {
            Ok(written) => {
                self.queue.forget(&written.missing);
                if let Some(sequence) = written.sequence {
                    self.progress.reach(sequence);
                }
                written.results
            }
            Err(error) => {
                writer.stored().clear();
                group.iter().map(|_| Err(error.clone())).collect()
            }
        };
        for (job, result) in group.iter().zip(&results) {
            if let (Job::Object(object), Err(error)) = (job, result) {
                writer.stored().lose(&object.hash, error);
                self.queue.forget([&object.hash]);
            }
        }
        results
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn WriteGroup>>> {
        // After a panic the queue is closed and empty: nothing more is written.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Turns").field("queue", &self.queue).finish_non_exhaustive()
    }
}

/// Whatever way the writing ends, nobody waits for it any more.
struct End<'turns>(&'turns Turns);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.queue.abandon();
        self.0.progress.end();
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
