//! What waits for the writer: units, objects and flushes in the order of their arrival, bounded.

use std::collections::VecDeque;
use std::sync::mpsc::SyncSender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::hashes::{Hash, Hashes};
use crate::{Receipt, StoreError, Ticket, UnitOfWork};

/// One thing for the writer to do.
#[derive(Debug)]
pub(super) enum Job {
    /// Commit a unit and redeem its ticket.
    Unit(UnitOfWork, SyncSender<Result<Receipt, StoreError>>),
    /// Store an object. Nobody waits for it: the units that name it come later.
    Object(Hash, Vec<u8>),
    /// Redeem a ticket once everything before it is done, well or not.
    Flush(SyncSender<Result<Receipt, StoreError>>),
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Object(_, bytes) => bytes.len(),
            Self::Unit(..) | Self::Flush(_) => 0,
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
    /// How many of the jobs somebody waits for.
    awaited: usize,
    /// Objects that are stored, or queued ahead of whatever is queued next.
    known: Hashes,
    closed: bool,
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
    pub(super) fn submit(&self, unit: UnitOfWork) -> Result<Ticket, StoreError> {
        let (sender, ticket) = Ticket::new();
        let mut state = self.wait_for_room(self.lock())?;
        self.push(&mut state, Job::Unit(unit, sender));
        Ok(ticket)
    }

    /// Queues an object, unless it is known; waits while the queue is full.
    pub(super) fn put(&self, hash: Hash, bytes: &[u8]) -> Result<(), StoreError> {
        let mut state = self.lock();
        if !state.closed && state.known.contains(&hash) {
            return Ok(());
        }
        drop(state);
        let copy = bytes.to_vec();
        let mut state = self.wait_for_room(self.lock())?;
        if !state.known.contains(&hash) {
            self.push(&mut state, Job::Object(hash, copy));
            state.known.insert(hash);
        }
        Ok(())
    }

    /// Queues a flush, whether or not there is room; its ticket is redeemed after all before it.
    pub(super) fn flush(&self) -> Result<Ticket, StoreError> {
        let (sender, ticket) = Ticket::new();
        let mut state = self.lock();
        if state.closed {
            return Err(StoreError::Closed);
        }
        self.push(&mut state, Job::Flush(sender));
        Ok(ticket)
    }

    /// Whether an object is stored or on its way.
    pub(super) fn knows(&self, hash: &Hash) -> bool {
        self.lock().known.contains(hash)
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

    /// Takes the next jobs, at most `jobs_max`; waits for some. `None` when closed and empty.
    ///
    /// Objects alone wait for the unit that names them, so that one transaction takes both, until
    /// a quarter of the queue is full of them.
    pub(super) fn take(&self, jobs_max: usize) -> Option<Vec<Job>> {
        let mut state = self.lock();
        while !self.worth_a_transaction(&state) {
            if state.closed && state.jobs.is_empty() {
                return None;
            }
            state = self
                .work
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let count = state.jobs.len().min(jobs_max.max(1));
        let group: Vec<Job> = state.jobs.drain(..count).collect();
        state.bytes -= group.iter().map(Job::bytes).sum::<usize>();
        state.awaited -= group
            .iter()
            .filter(|job| !matches!(job, Job::Object(..)))
            .count();
        drop(state);
        self.room.notify_all();
        Some(group)
    }

    fn worth_a_transaction(&self, state: &State) -> bool {
        state.awaited > 0
            || (state.closed && !state.jobs.is_empty())
            || state.jobs.len() * 4 >= self.capacity.max(4)
            || state.bytes * 4 >= self.bytes_max.max(4)
    }

    fn wait_for_room<'queue>(
        &'queue self,
        mut state: MutexGuard<'queue, State>,
    ) -> Result<MutexGuard<'queue, State>, StoreError> {
        while !state.closed && (state.jobs.len() >= self.capacity || state.bytes >= self.bytes_max)
        {
            state = self
                .room
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed {
            Err(StoreError::Closed)
        } else {
            Ok(state)
        }
    }

    fn push(&self, state: &mut State, job: Job) {
        state.bytes += job.bytes();
        state.awaited += usize::from(!matches!(job, Job::Object(..)));
        state.jobs.push_back(job);
        if self.worth_a_transaction(state) {
            self.work.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while the lock is held leaves at worst a job less: the state stays usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
