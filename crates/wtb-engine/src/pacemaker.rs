//! One thread per engine that lets time pass: ticks for active batches, heartbeats of the session.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
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
const NEVER: u64 = u64::MAX;

/// Keeps time for an engine.
pub(crate) struct Pacemaker {
    clock: Clock,
    /// When the thread means to wake, on the engine's clock; [`NEVER`] while it is awake, since it
    /// may have looked already at what becomes due earlier.
    planned: AtomicU64,
    shared: Mutex<Shared>,
    poked: Condvar,
}

struct Shared {
    active: Vec<Weak<ActiveBatch>>,
    /// When somebody wants the thread to be awake at the latest.
    due: u64,
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
            planned: AtomicU64::new(NEVER),
            shared: Mutex::new(Shared { active: Vec::new(), due: NEVER, stopped: false }),
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
        let mut shared = self.lock();
        shared.active.retain(|known| known.strong_count() > 0);
        shared.active.push(Arc::downgrade(active));
        shared.due = 0;
        self.poked.notify_one();
    }

    /// Makes sure that the thread is awake at `at`. Cheap when it will be anyway.
    ///
    /// Called under the lock of the batch that needs it: either the thread has not looked at that
    /// batch since it woke, and will, or it has, and is still marked as awake.
    pub(crate) fn wake_by(&self, at: u64) {
        if at < self.planned.load(Ordering::SeqCst) {
            let mut shared = self.lock();
            shared.due = shared.due.min(at);
            self.poked.notify_one();
        }
    }

    /// Asks the thread to end.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.poked.notify_one();
    }

    fn beat(&self, store: &Arc<dyn Store>, session: &SessionId) {
        let mut heartbeat_due = self.clock.elapsed_ms() + HEARTBEAT_EVERY_MS;
        loop {
            self.planned.store(NEVER, Ordering::SeqCst);
            let now = self.clock.elapsed_ms();
            if now >= heartbeat_due {
                let change = Change::Heartbeat { session: session.clone(), at: Clock::now() };
                // A heartbeat that cannot be written is not worth an error of its own: the next
                // unit of work of a batch meets the same trouble and reports it.
                drop(store.submit(UnitOfWork::silent(change)));
                heartbeat_due = now + HEARTBEAT_EVERY_MS;
            }
            if !self.sleep_until(self.tick_all(now).min(heartbeat_due)) {
                return;
            }
        }
    }

    /// Ticks every active batch; returns when the next of them needs one.
    fn tick_all(&self, now: u64) -> u64 {
        let active: Vec<_> = self.lock().active.iter().filter_map(Weak::upgrade).collect();
        let mut next = NEVER;
        for batch in active.iter().filter(|batch| batch.is_under_way()) {
            // An error ends the batch and is given to whoever waits for it.
            let wake = batch.tick().ok().flatten().unwrap_or(NEVER);
            next = next.min(wake.max(now + 1)).min(now + LOOK_EVERY_MS);
        }
        next
    }

    /// Sleeps until then, or until something is due before; returns whether to go on.
    fn sleep_until(&self, mut at: u64) -> bool {
        let mut shared = self.lock();
        while !shared.stopped {
            at = at.min(std::mem::replace(&mut shared.due, NEVER));
            self.planned.store(at, Ordering::SeqCst);
            let rest = at.saturating_sub(self.clock.elapsed_ms());
            if rest == 0 {
                return true;
            }
            let waited = self.poked.wait_timeout(shared, Duration::from_millis(rest));
            shared = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
