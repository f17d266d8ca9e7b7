//! The engine's two clocks: wall-clock time for records, a monotonic one for the scheduler.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use wtb_model::Timestamp;

/// Reads the system's clocks; the only place of the engine that does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Wall-clock time. It may jump; nothing but records depends on it.
    pub(crate) fn now() -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => {
                i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros)
            }
        };
        Timestamp::from_micros(micros)
    }

    /// Milliseconds since the clock was started.
    pub(crate) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
