//! The workers the scheduler has heard from: who waits for work, who runs how much, whose lease
//! ends when, and whose work it can do.
//!
//! A worker without a lease is forgotten as soon as it neither waits nor runs anything; one with a
//! lease when the lease ends. Work is handed out one slot at a time in turn, so that a worker with
//! many slots does not starve the others.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{Group, Millis, WorkerId};

/// What is known of one worker.
#[derive(Clone, Copy, Debug)]
struct Worker {
    group: Group,
    slots: u32,
    running: u32,
    lease_end: Option<Millis>,
}

/// All workers that are known. A worker is in its group's part of `parked` exactly when it has free slots;
/// no part is empty.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    known: BTreeMap<WorkerId, Worker>,
    parked: BTreeMap<Group, VecDeque<WorkerId>>,
    lease_ttl: Option<Millis>,
}

impl Workers {
    pub(crate) const fn new(lease_ttl: Option<Millis>) -> Self {
        Self { known: BTreeMap::new(), parked: BTreeMap::new(), lease_ttl }
    }

    pub(crate) fn len(&self) -> usize {
        self.known.len()
    }

    pub(crate) fn lease_end(&self, worker: WorkerId) -> Option<Millis> {
        self.known.get(&worker)?.lease_end
    }

    /// Returns the groups that have workers with free slots.
    pub(crate) fn parked_groups(&self) -> impl Iterator<Item = Group> {
        self.parked.keys().copied()
    }

    /// Notes how many free slots a worker has. Returns the new end of its lease, if it moved.
    pub(crate) fn set_slots(
        &mut self,
        worker: WorkerId,
        group: Group,
        slots: u32,
        now: Millis,
    ) -> Option<Millis> {
        let unknown = Worker { group, slots: 0, running: 0, lease_end: None };
        let entry = self.known.entry(worker).or_insert(unknown);
        let before = std::mem::replace(entry, Worker { group, slots, ..*entry });
        if before.slots > 0 && (slots == 0 || before.group != group) {
            self.unpark(before.group, worker);
        }
        if slots > 0 && (before.slots == 0 || before.group != group) {
            self.parked.entry(group).or_default().push_back(worker);
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

    /// Takes one free slot of the worker of a group whose turn it is.
    pub(crate) fn take_slot(&mut self, group: Group) -> Option<WorkerId> {
        let parked = self.parked.get_mut(&group)?;
        let worker = parked.pop_front()?;
        let entry = self.known.get_mut(&worker)?;
        entry.slots -= 1;
        entry.running += 1;
        if entry.slots > 0 {
            parked.push_back(worker);
        } else if parked.is_empty() {
            self.parked.remove(&group);
        }
        Some(worker)
    }

    fn unpark(&mut self, group: Group, worker: WorkerId) {
        if let Some(parked) = self.parked.get_mut(&group) {
            parked.retain(|other| *other != worker);
            if parked.is_empty() {
                self.parked.remove(&group);
            }
        }
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
        let Some(entry) = self.known.remove(&worker).filter(|entry| entry.slots > 0) else {
            return false;
        };
        self.unpark(entry.group, worker);
        true
    }

    /// Forgets all requests for work; returns who made them, in turn.
    pub(crate) fn unpark_all(&mut self) -> Vec<WorkerId> {
        let parked: Vec<_> = std::mem::take(&mut self.parked).into_values().flatten().collect();
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
