//! What the tests of this crate share: surroundings and a terminal that keep still.

use std::path::PathBuf;

use jiff::tz::TimeZone;
use wtb_model::Timestamp;

use crate::surroundings::Surroundings;

/// Noon of 2026-03-01 in UTC.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_772_366_400_000_000);

/// Surroundings that keep still.
pub(crate) fn surroundings<'a>(
    environment: &'a dyn Fn(&str) -> Option<String>,
    directory: &str,
) -> Surroundings<'a> {
    Surroundings {
        environment,
        directory: PathBuf::from(directory),
        now: NOW,
        time_zone: TimeZone::UTC,
    }
}
