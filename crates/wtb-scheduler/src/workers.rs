//! The workers the scheduler has heard from: who waits for work, who runs how much, whose lease
//! ends when.
//!
//! A worker without a lease is forgotten as soon as it neither waits nor runs anything; one with a
//! lease when the lease ends. Work is handed out one slot at a time in turn, so that a worker with
//! many slots does not starve the others.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{Millis, WorkerId};

/// What is known of one worker.
#[derive(Clone, Copy, Debug)]
struct Worker {
    slots: u32,
    running: u32,
    lease_end: Option<Millis>,
}

/// All workers that are known. A worker is in `parked` exactly when it has free slots.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    known: BTreeMap<WorkerId, Worker>,
    parked: VecDeque<WorkerId>,
    lease_ttl: Option<Millis>,
}

impl Workers {
    pub(crate) const fn new(lease_ttl: Option<Millis>) -> Self {
        Self { known: BTreeMap::new(), parked: VecDeque::new(), lease_ttl }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn lease_end(&self, worker: WorkerId) -> Option<Millis> {
        self.known.get(&worker)?.lease_end
    }

    pub(crate) fn any_parked(&self) -> bool {
        !self.parked.is_empty()
    }

    /// Notes how many free slots a worker has. Returns the new end of its lease, if it moved.
    pub(crate) fn set_slots(
        &mut self,
        worker: WorkerId,
        slots: u32,
        now: Millis,
    ) -> Option<Millis> {
        let unknown = Worker { slots: 0, running: 0, lease_end: None };
        let entry = self.known.entry(worker).or_insert(unknown);
        let before = std::mem::replace(&mut entry.slots, slots);
        if before == 0 && slots > 0 {
            self.parked.push_back(worker);
        } else if before > 0 && slots == 0 {
            self.parked.retain(|parked| *parked != worker);
        }
        let lease_end = self.renew(worker, now);
        self.forget_if_idle(worker);
        lease_end
    }

    /// Renews the lease of a known worker. Returns its new end, if it moved.
    pub(crate) fn renew(&mut self, worker: WorkerId, now: Millis) -> Option<Millis> {
        let entry = self.known.get_mut(&worker)?;
        let lease_end = self.lease_ttl.map(|ttl| now.saturating_add(ttl));
        if entry.lease_end == lease_end {
            return None;
        }
        entry.lease_end = lease_end;
        lease_end
    }

    /// Takes one free slot of the worker whose turn it is.
    pub(crate) fn take_slot(&mut self) -> Option<WorkerId> {
        let worker = self.parked.pop_front()?;
        let entry = self.known.get_mut(&worker)?;
        entry.slots -= 1;
        entry.running += 1;
        if entry.slots > 0 {
            self.parked.push_back(worker);
        }
        Some(worker)
    }

    /// Notes that one attempt of a worker does not run any more. Its slot is not free by that.
    pub(crate) fn attempt_ended(&mut self, worker: WorkerId) {
        if let Some(entry) = self.known.get_mut(&worker) {
            entry.running -= 1;
            self.forget_if_idle(worker);
        }
    }

    /// Forgets a worker. Returns whether it was waiting for work.
    pub(crate) fn remove(&mut self, worker: WorkerId) -> bool {
        let parked = self.known.remove(&worker).is_some_and(|entry| entry.slots > 0);
        if parked {
            self.parked.retain(|other| *other != worker);
        }
        parked
    }

    /// Forgets all requests for work; returns who made them, in turn.
    pub(crate) fn unpark_all(&mut self) -> VecDeque<WorkerId> {
        let parked = std::mem::take(&mut self.parked);
        for worker in &parked {
            if let Some(entry) = self.known.get_mut(worker) {
                entry.slots = 0;
            }
            self.forget_if_idle(*worker);
        }
        parked
    }

    pub(crate) fn clear(&mut self) {
        self.known.clear();
        self.parked.clear();
    }

    fn forget_if_idle(&mut self, worker: WorkerId) {
        let idle = |entry: &Worker| entry.slots == 0 && entry.running == 0;
        if self.lease_ttl.is_none() && self.known.get(&worker).is_some_and(idle) {
            self.known.remove(&worker);
        }
    }
}
