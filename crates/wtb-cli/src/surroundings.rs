//! What the command reads from its surroundings: variables, directory, clock, time zone.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use wtb_model::Timestamp;

/// The surroundings of one call of the command, so that nothing below reads them by itself.
pub struct Surroundings<'a> {
    /// Looks up an environment variable.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The working directory, absolute.
    pub directory: PathBuf,
    /// The present time.
    pub now: Timestamp,
    /// The zone in which times are read and printed.
    pub time_zone: TimeZone,
}

impl<'a> Surroundings<'a> {
    /// The surroundings of this process, with `environment` to look up variables.
    ///
    /// The directory is `.` where the process has none (it was deleted).
    pub fn system(environment: &'a dyn Fn(&str) -> Option<String>) -> Self {
        Self {
            environment,
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            now: Timestamp::from_micros(jiff::Timestamp::now().as_microsecond()),
            time_zone: TimeZone::system(),
        }
    }

    /// Returns a variable that is set to something.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }
}
