//! What waits for the writer: units, objects and flushes in the order of their arrival, bounded.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::hashes::Hashes;
use crate::{Hash, NewObject, Receipt, StoreError, UnitOfWork};

/// How long units gather before they are written, while nobody waits for them. Writing a page of
/// the database once for several units costs a fraction of writing it for each.
const GATHER: Duration = Duration::from_millis(10);

/// One thing for the writer to do.
#[derive(Debug)]
pub enum Job {
    /// Commit a unit and redeem its ticket.
    Unit(UnitOfWork, SyncSender<Result<Receipt, StoreError>>),
    /// Store an object. Nobody waits for it: the units that name it come later.
    Object(NewObject),
    /// Redeem a ticket once everything before it is done, well or not.
    Flush(SyncSender<Result<Receipt, StoreError>>),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Object(object) => object.weight(),
            Self::Unit(unit, _) => unit.weight(),
            Self::Flush(_) => 0,
        }
    }
}

/// The bounded queue between those who submit and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    work: Condvar,
    room: Condvar,
    capacity: usize,
    bytes_max: usize,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    /// When the oldest of the units was queued.
    oldest: Option<Instant>,
    /// Whether somebody waits for what is queued.
    awaited: bool,
    /// Objects that are stored, or queued ahead of whatever is queued next.
    known: Hashes<()>,
    closed: bool,
    /// Whether the writer sleeps, and how many wait for room: to wake nobody costs a system call.
    writer_sleeps: bool,
    waiting_for_room: usize,
}

impl Queue {
    /// Makes a queue that holds so many jobs and so many bytes of objects.
    pub(super) fn new(capacity: usize, bytes_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            work: Condvar::new(),
            room: Condvar::new(),
            capacity: capacity.max(1),
            bytes_max: bytes_max.max(1),
        }
    }

    /// Queues a unit; waits while the queue is full.
    ///
    /// The writer's thread is not told of a unit that is `awaited`: who waits hurries, and writes.
    pub(super) fn submit(
        &self,
        unit: UnitOfWork,
        sender: SyncSender<Result<Receipt, StoreError>>,
        awaited: bool,
    ) -> Result<(), StoreError> {
        let mut state = self.wait_for_room(self.lock())?;
        self.push(&mut state, Job::Unit(unit, sender), awaited);
        Ok(())
    }

    /// Queues an object, unless it is known; waits while the queue is full.
    pub(super) fn put(&self, object: NewObject) -> Result<(), StoreError> {
        let mut state = self.wait_for_room(self.lock())?;
        if state.known.get(&object.hash).is_none() {
            state.known.insert(object.hash, ());
            self.push(&mut state, Job::Object(object), false);
        }
        Ok(())
    }

    /// Queues a flush, whether or not there is room; its ticket is redeemed after all before it.
    pub(super) fn flush(
        &self,
        sender: SyncSender<Result<Receipt, StoreError>>,
    ) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        self.push(&mut state, Job::Flush(sender), true);
        Ok(())
    }

    /// Whether who submits has to wait for room.
    pub(super) fn is_full(&self) -> bool {
        self.lacks_room(&self.lock())
    }

    fn lacks_room(&self, state: &State) -> bool {
        state.jobs.len() >= self.capacity || state.bytes >= self.bytes_max
    }

    /// Whether nothing is queued.
    pub(super) fn is_empty(&self) -> bool {
        self.lock().jobs.is_empty()
    }

    /// Has the writer's thread write what is queued at once.
    pub(super) fn hurry(&self) {
        let mut state = self.lock();
        state.awaited = true;
        self.wake_writer(&mut state);
    }

    /// Whether an object is stored or on its way.
    pub(super) fn knows(&self, hash: &Hash) -> bool {
        self.lock().known.get(hash).is_some()
    }

    /// Forgets objects that turned out not to be stored, so that they are written again.
    pub(super) fn forget<'hash>(&self, hashes: impl IntoIterator<Item = &'hash Hash>) {
        let mut state = self.lock();
        for hash in hashes {
            state.known.remove(hash);
        }
    }

    /// Refuses further jobs; those queued are still handed to the writer.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.work.notify_all();
        self.room.notify_all();
    }

    /// Closes the queue and lets go of what is in it: the tickets find the store closed.
    pub(super) fn abandon(&self) {
        self.close();
        let abandoned = std::mem::take(&mut self.lock().jobs);
        drop(abandoned);
    }

    /// Waits until what is queued is worth a transaction; false once it is closed and empty.
    ///
    /// Objects alone wait for the unit that names them, so that one transaction takes both, until
    /// a quarter of the queue is full of them.
    pub(super) fn wait(&self) -> bool {
        let mut state = self.lock();
        while !self.worth_a_transaction(&state) {
            if state.closed && state.jobs.is_empty() {
                return false;
            }
            state.writer_sleeps = true;
            state = match state.oldest {
                Some(oldest) => {
                    let rest = GATHER.saturating_sub(oldest.elapsed());
                    let waited = self.work.wait_timeout(state, rest);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.writer_sleeps = false;
        }
        true
    }

    /// Takes the next jobs, at most `jobs_max`, if there are any.
    pub(super) fn take(&self, jobs_max: usize) -> Option<Vec<Job>> {
        let mut state = self.lock();
        if state.jobs.is_empty() {
            return None;
        }
        let count = state.jobs.len().min(jobs_max.max(1));
        let group: Vec<Job> = state.jobs.drain(..count).collect();
        state.bytes -= group.iter().map(Job::bytes).sum::<usize>();
        if state.jobs.is_empty() {
            state.awaited = false;
            state.oldest = None;
        }
        let somebody_waits = state.waiting_for_room > 0;
        drop(state);
        if somebody_waits {
            self.room.notify_all();
        }
        Some(group)
    }

    fn worth_a_transaction(&self, state: &State) -> bool {
        let gathered = state.oldest.is_some_and(|oldest| oldest.elapsed() >= GATHER);
        let pressing = state.awaited || state.closed || gathered;
        (pressing && !state.jobs.is_empty())
            || state.jobs.len() * 4 >= self.capacity.max(4)
            || state.bytes * 4 >= self.bytes_max.max(4)
    }

    fn wait_for_room<'queue>(
        &'queue self,
        mut state: MutexGuard<'queue, State>,
    ) -> Result<MutexGuard<'queue, State>, StoreError> {
        while !state.closed && self.lacks_room(&state) {
            state.waiting_for_room += 1;
            state = self.room.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiting_for_room -= 1;
        }
        if state.closed { Err(StoreError::Closed) } else { Ok(state) }
    }

    fn push(&self, state: &mut State, job: Job, awaited: bool) {
        state.bytes += job.bytes();
        let begins_to_gather = state.oldest.is_none() && !matches!(job, Job::Object(..));
        if begins_to_gather {
            state.oldest = Some(Instant::now());
        }
        state.jobs.push_back(job);
        // A writer that sleeps without an end has to be told when units begin to gather.
        if !awaited && (begins_to_gather || self.worth_a_transaction(state)) {
            self.wake_writer(state);
        }
    }

    fn wake_writer(&self, state: &mut State) {
        if state.writer_sleeps {
            // Told once: it is awake from now on, though it may take a while to get the lock.
            state.writer_sleeps = false;
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves at worst a job less: the state stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
