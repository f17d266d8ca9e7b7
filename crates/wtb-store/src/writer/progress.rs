//! How far the journal has got, for those who wait for more.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The journal's last sequence number as the writer knows it, for those who wait for more.
#[derive(Debug)]
pub(super) struct Progress {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    sequence: u64,
    ended: bool,
}

impl Progress {
    /// Begins at a sequence number.
    pub(super) fn new(sequence: u64) -> Self {
        Self { state: Mutex::new(State { sequence, ended: false }), changed: Condvar::new() }
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

    /// Notes that the journal has got to a sequence number.
    pub(super) fn reach(&self, sequence: u64) {
        // Most checkpoints journal nothing, and to tell somebody is a system call.
        if self.state.lock().unwrap_or_else(PoisonError::into_inner).sequence != sequence {
            self.update(|state| state.sequence = sequence);
        }
    }

    /// Notes that nothing more will come.
    pub(super) fn end(&self) {
        self.update(|state| state.ended = true);
    }

    fn update(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }
}
