//! Trying again: on another connection while the server is away, and after a conflict.

use std::time::{Duration, Instant};

use wtb_store::StoreError;

use crate::errors::Failure;

/// How often a conflict with other programs is tried again.
const CONFLICTS_MAX: u32 = 20;
/// The longest pause between two tries.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// The pause after the first try; each further one may be twice as long.
const PAUSE_MIN: Duration = Duration::from_millis(10);

/// What is left of the patience with one piece of work.
pub(crate) struct Patience<'store> {
    url: &'store str,
    limit: Duration,
    begun: Instant,
    tries: u32,
    conflicts: u32,
}

impl<'store> Patience<'store> {
    /// Begins; a server that is away is waited for as long as `limit`.
    pub(crate) fn new(url: &'store str, limit: Duration) -> Self {
        Self { url, limit, begun: Instant::now(), tries: 0, conflicts: 0 }
    }

    /// Waits until it is time to try again, or says that it is not worth it any more.
    pub(crate) fn again(&mut self, failure: Failure) -> Result<(), Failure> {
        match failure {
            Failure::Lost(_) if self.begun.elapsed() < self.limit => {
                // The first time at once: as a rule an idle connection has died, not the server.
                if self.tries > 0 {
                    let left = self.limit.saturating_sub(self.begun.elapsed());
                    std::thread::sleep(pause(self.tries).min(left));
                }
                self.tries += 1;
                Ok(())
            }
            Failure::Lost(reason) => Err(Failure::Fatal(self.unavailable(&reason))),
            Failure::Conflict(_) if self.conflicts < CONFLICTS_MAX => {
                self.conflicts += 1;
                std::thread::sleep(pause(self.conflicts.min(4)));
                Ok(())
            }
            Failure::Conflict(error) => Err(Failure::Fatal(error)),
            other => Err(other),
        }
    }

    fn unavailable(&self, reason: &str) -> StoreError {
        StoreError::Unavailable {
            url: self.url.to_owned(),
            reason: format!(
                "{reason} (tried for {:.1} s); see that the server runs and that host and port are \
                 right, and resume then",
                self.begun.elapsed().as_secs_f64()
            ),
        }
    }
}

/// A pause between half of it and all of it, so that programs that failed together do not meet
/// again; it doubles from try to try.
fn pause(tries: u32) -> Duration {
    let full = PAUSE_MIN.saturating_mul(1 << tries.min(12)).min(PAUSE_MAX);
    // Without randomness they would still be kept apart by their own speed.
    let random = getrandom::u32().unwrap_or(u32::MAX / 2);
    full / 2 + (full / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_bounded() {
        for tries in 0..40 {
            let pause = pause(tries);
            assert!(pause >= PAUSE_MIN / 2 && pause <= PAUSE_MAX, "{tries}: {pause:?}");
        }
        assert!(pause(12) >= PAUSE_MAX / 2);
    }

    #[test]
    fn patience_ends_with_what_to_do() {
        let mut patience = Patience::new("postgresql://host/db", Duration::ZERO);
        let lost = Failure::Lost("connection refused".to_owned());
        let Err(Failure::Fatal(error)) = patience.again(lost) else { panic!("no patience") };
        let text = error.to_string();
        assert!(text.contains("connection refused") && text.contains("resume then"), "{text}");

        let conflict = || Failure::Conflict(StoreError::Busy("deadlock".to_owned()));
        let mut patience = Patience::new("postgresql://host/db", Duration::ZERO);
        let tries = (0..1_000).take_while(|_| patience.again(conflict()).is_ok()).count();
        assert_eq!(tries, CONFLICTS_MAX as usize);
    }
}
