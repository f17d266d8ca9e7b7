//! What a batch is allowed to do: its limits, its retry budget and its patience.
//!
//! A [`Config`] is plain data and is checked once, when the scheduler is built.

use crate::{backoff::Backoff, error::ConfigError, ids::Millis};

/// The largest first token: stores keep tokens as signed 64-bit numbers.
const FIRST_TOKEN_MAX: u64 = i64::MAX as u64 / 2;

/// The settings of one batch.
///
/// ```
/// use wtb_scheduler::{Config, Millis, Scheduler};
/// let config = Config { retries: 2, attempt_timeout: Some(Millis(60_000)), ..Config::default() };
/// assert!(Scheduler::new(config, 100).is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How many attempts may run at the same time; at least 1.
    pub max_in_flight: u32,
    /// How many cells may be running or wait to be settled; at least 1. Bounds the backlog of
    /// finished cells that the evaluators have not seen yet.
    pub window: u32,
    /// How long one attempt may take; `None` for as long as it likes.
    pub attempt_timeout: Option<Millis>,
    /// How many failed or timed-out attempts of a cell are followed by another one.
    pub retries: u32,
    /// How long a cell waits between two attempts.
    pub backoff: Backoff,
    /// The seed of the jitter in the backoff.
    pub seed: u64,
    /// When to give up the whole batch; `None` for never.
    pub fail_fast: Option<FailFast>,
    /// How long a worker may be silent before its attempts are given to others; `None` when workers
    /// share the caller's process and cannot vanish.
    pub lease_ttl: Option<Millis>,
    /// How many lost attempts of a cell are followed by another one. Losses are not the cell's
    /// fault and do not count as retries, yet a cell that kills every worker must end.
    pub max_losses: u32,
    /// The token of the first attempt; above every token that was ever used for this batch.
    pub first_token: u64,
    /// Whether a cell whose outcome was accepted stays unsettled until
    /// [`Input::Settled`](crate::Input::Settled), because evaluators run after the outcome.
    pub settle: bool,
    /// Whether workers take attempts ahead of the moment in which they can begin with them, and say so
    /// by [`Input::Began`](crate::Input::Began): deadlines count from then, and what a lost worker had
    /// not begun costs its cell nothing. Otherwise an attempt begins as it is handed out.
    pub hands_ahead: bool,
}

/// When a batch is given up because too many cells failed or timed out for good.
///
/// Only cells that ended in this scheduler count, not those restored from an earlier session. A
/// cell that was put back and failed again counts again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FailFast {
    /// Gives up at this many failed cells; at least 1.
    Count(u32),
    /// Gives up when this part of the cells that ended have failed.
    Fraction {
        /// The part, above 0 and up to 1.
        fraction: f64,
        /// How many cells must have succeeded, failed or timed out before the part means anything.
        min_sample: u32,
    },
}

impl Default for Config {
    /// Eight attempts at a time, no retries, no timeout, no leases.
    fn default() -> Self {
        Self {
            max_in_flight: 8,
            window: 64,
            attempt_timeout: None,
            retries: 0,
            backoff: Backoff::default(),
            seed: 0,
            fail_fast: None,
            lease_ttl: None,
            max_losses: 3,
            first_token: 1,
            settle: false,
            hands_ahead: false,
        }
    }
}

impl Config {
    /// Checks that every setting can work.
    ///
    /// # Errors
    /// The first [`ConfigError`] found; it names the setting and what it may be.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("max_in_flight", u64::from(self.max_in_flight))?;
        at_least_one("window", u64::from(self.window))?;
        at_least_one("attempt_timeout", self.attempt_timeout.map_or(1, |timeout| timeout.0))?;
        at_least_one("lease_ttl", self.lease_ttl.map_or(1, |ttl| ttl.0))?;
        if self.first_token > FIRST_TOKEN_MAX {
            return Err(ConfigError::FirstToken { value: self.first_token, max: FIRST_TOKEN_MAX });
        }
        self.backoff.validate()?;
        self.fail_fast.map_or(Ok(()), FailFast::validate)
    }
}

impl Backoff {
    fn validate(&self) -> Result<(), ConfigError> {
        if !(self.factor.is_finite() && self.factor >= 1.0) {
            return Err(ConfigError::BackoffFactor { value: self.factor });
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(ConfigError::BackoffJitter { value: self.jitter });
        }
        if self.max < self.initial {
            return Err(ConfigError::BackoffMax { initial: self.initial, max: self.max });
        }
        Ok(())
    }
}

impl FailFast {
    fn validate(self) -> Result<(), ConfigError> {
        match self {
            Self::Count(count) => at_least_one("fail_fast", u64::from(count)),
            Self::Fraction { fraction, .. } if fraction > 0.0 && fraction <= 1.0 => Ok(()),
            Self::Fraction { fraction, .. } => {
                Err(ConfigError::FailFastFraction { value: fraction })
            }
        }
    }

    /// Returns whether `failed` out of `ended` cells are too many.
    pub(crate) fn is_reached(self, failed: u32, ended: u32) -> bool {
        match self {
            Self::Count(count) => failed >= count,
            Self::Fraction { fraction, min_sample } => {
                failed > 0
                    && ended >= min_sample
                    && f64::from(failed) >= fraction * f64::from(ended)
            }
        }
    }
}

fn at_least_one(setting: &'static str, value: u64) -> Result<(), ConfigError> {
    if value == 0 { Err(ConfigError::Zero { setting }) } else { Ok(()) }
}
