//! One thread per engine that lets time pass: ticks for active batches, heartbeats of the session.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use wtb_model::SessionId;
use wtb_store::{Change, Store, UnitOfWork};

use crate::ActiveBatch;
use crate::clock::Clock;

/// How often a session says that it lives, in milliseconds.
const HEARTBEAT_EVERY_MS: u64 = 3_000;
/// How often active batches are looked at when nothing is due, for progress events.
const LOOK_EVERY_MS: u64 = 1_000;

/// Keeps time for an engine.
pub(crate) struct Pacemaker {
    clock: Clock,
    /// When the thread means to wake, on the engine's clock.
    planned: AtomicU64,
    shared: Mutex<Shared>,
    poked: Condvar,
}

#[derive(Default)]
struct Shared {
    active: Vec<Weak<ActiveBatch>>,
    poked: bool,
    stopped: bool,
}

impl Pacemaker {
    /// Starts the thread.
    pub(crate) fn start(
        clock: Clock,
        store: Arc<dyn Store>,
        session: SessionId,
    ) -> std::io::Result<(Arc<Self>, JoinHandle<()>)> {
        let pacemaker = Arc::new(Self {
            clock,
            planned: AtomicU64::new(0),
            shared: Mutex::new(Shared::default()),
            poked: Condvar::new(),
        });
        let own = Arc::clone(&pacemaker);
        let thread = std::thread::Builder::new()
            .name("wtb-pacemaker".to_owned())
            .spawn(move || own.beat(&store, &session))?;
        Ok((pacemaker, thread))
    }

    /// Takes an active batch into care.
    pub(crate) fn watch(&self, active: &Arc<ActiveBatch>) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.active.retain(|known| known.strong_count() > 0);
        shared.active.push(Arc::downgrade(active));
        shared.poked = true;
        self.poked.notify_one();
    }

    /// Makes sure that the thread is awake at `at`. Cheap when it will be anyway.
    pub(crate) fn wake_by(&self, at: u64) {
        if at < self.planned.load(Ordering::Acquire) {
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.poked = true;
            self.poked.notify_one();
        }
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        shared.stopped = true;
        self.poked.notify_one();
    }

    fn beat(&self, store: &Arc<dyn Store>, session: &SessionId) {
        let mut heartbeat_due = self.clock.elapsed_ms() + HEARTBEAT_EVERY_MS;
        loop {
            let now = self.clock.elapsed_ms();
            if now >= heartbeat_due {
                let change = Change::Heartbeat {
                    session: session.clone(),
                    at: Clock::now(),
                };
                // A heartbeat that cannot be written is not worth an error of its own: the next
                // unit of work of a batch meets the same trouble and reports it.
                drop(store.submit(UnitOfWork::silent(change)));
                heartbeat_due = now + HEARTBEAT_EVERY_MS;
            }
            let next = self
                .tick_all(now)
                .min(heartbeat_due)
                .min(now + LOOK_EVERY_MS);
            if !self.sleep_until(next) {
                return;
            }
        }
    }

    /// Ticks every active batch; returns when the next of them needs one.
    fn tick_all(&self, now: u64) -> u64 {
        let active: Vec<_> = {
            let shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            shared.active.iter().filter_map(Weak::upgrade).collect()
        };
        let mut next = u64::MAX;
        for batch in active {
            // An error ends the batch and is given to whoever waits for it.
            if batch.tick().is_ok()
                && let Some(wake) = batch.next_wake()
            {
                next = next.min(wake.max(now + 1));
            }
        }
        next
    }

    fn sleep_until(&self, at: u64) -> bool {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        self.planned.store(at, Ordering::Release);
        while !shared.stopped && !shared.poked {
            let rest = at.saturating_sub(self.clock.elapsed_ms());
            if rest == 0 {
                break;
            }
            let waited = self.poked.wait_timeout(shared, Duration::from_millis(rest));
            shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        shared.poked = false;
        !shared.stopped
    }
}
