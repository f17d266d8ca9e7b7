//! How times, durations and figures are written, and durations read.

use jiff::tz::TimeZone;
use wtb_model::Timestamp;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Writes a duration of microseconds in at most two units: `850us`, `12ms`, `1.4s`, `3m 20s`.
pub(crate) fn duration(micros: u64) -> String {
    match micros {
        0..1_000 => format!("{micros}us"),
        1_000..10_000 => format!("{}.{}ms", micros / 1_000, micros % 1_000 / 100),
        10_000..SECOND => format!("{}ms", micros / 1_000),
        SECOND..MINUTE => format!("{}.{}s", micros / SECOND, micros % SECOND / 100_000),
        MINUTE..HOUR => two(micros / MINUTE, "m", micros % MINUTE / SECOND, "s"),
        HOUR..DAY => two(micros / HOUR, "h", micros % HOUR / MINUTE, "m"),
        DAY.. => two(micros / DAY, "d", micros % DAY / HOUR, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit} {small}{small_unit}"),
    }
}

/// Writes a duration of seconds as [`duration`] does.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a duration is not negative"
)]
pub(crate) fn seconds(seconds: f64) -> String {
    duration((seconds * 1e6).round() as u64)
}

/// Writes how long ago something was: `now`, `40s ago`, `3h ago`.
pub(crate) fn age(at: Timestamp, now: Timestamp) -> String {
    let micros = now.micros_since(at);
    match micros {
        0..SECOND => "now".to_owned(),
        SECOND..MINUTE => format!("{}s ago", micros / SECOND),
        MINUTE..HOUR => format!("{}m ago", micros / MINUTE),
        HOUR..DAY => format!("{}h ago", micros / HOUR),
        DAY.. => format!("{}d ago", micros / DAY),
    }
}

/// Writes a point in time in a zone, to the second.
pub(crate) fn clock_time(at: Timestamp, zone: &TimeZone) -> String {
    match jiff::Timestamp::from_microsecond(at.as_micros()) {
        Ok(time) => time.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => format!("{} us", at.as_micros()),
    }
}

/// Writes the figures of one column with as many decimals as the largest of them deserves.
pub(crate) fn figures(values: &[Option<f64>]) -> Vec<String> {
    let largest = values.iter().flatten().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let decimals = match largest {
        value if value < 10.0 => 4,
        value if value < 100.0 => 3,
        value if value < 1_000.0 => 2,
        _ => 0,
    };
    let write = |value: &Option<f64>| value.map_or("-".to_owned(), |v| format!("{v:.decimals$}"));
    values.iter().map(write).collect()
}

/// Writes a size in bytes.
pub(crate) fn bytes(size: u64) -> String {
    match size {
        1 => "1 byte".to_owned(),
        0..10_000 => format!("{size} bytes"),
        10_000..10_000_000 => format!("{} kB", size / 1_000),
        _ => format!("{} MB", size / 1_000_000),
    }
}

/// Writes a count of things: `1 case`, `3 cases`.
pub(crate) fn plural(count: u64, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

/// Reads a duration such as `90s`, `2m`, `1h30m` or `1.5s`; a bare number is seconds.
///
/// Returns seconds, or why the text is no duration.
pub(crate) fn parse_duration(text: &str) -> Result<f64, String> {
    let problem = || {
        format!("`{text}` is not a duration: write a number of seconds, or `90s`, `2m`, `1h30m`")
    };
    let text = text.trim();
    let total = if text.parse::<f64>().is_ok() {
        text.parse::<f64>().map_err(|_| problem())?
    } else {
        sum_of_units(text).ok_or_else(problem)?
    };
    if !total.is_finite() || total <= 0.0 {
        return Err(format!("a duration must be longer than zero, and `{text}` is not"));
    }
    Ok(total)
}

fn sum_of_units(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut total = 0.0;
    while !rest.is_empty() {
        let number_end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?;
        let (number, tail) = rest.split_at(number_end);
        let unit_end = tail
            .find(|letter: char| letter.is_ascii_digit() || letter.is_whitespace())
            .unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" | "min" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = next.trim_start();
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_the_ways_people_write_them() {
        for (text, seconds) in
            [("90", 90.0), ("1.5s", 1.5), ("2m", 120.0), ("1h30m", 5400.0), ("1h 30m", 5400.0)]
        {
            assert_eq!(parse_duration(text), Ok(seconds), "{text}");
        }
        for text in ["", "s", "10x", "1h30", "-1", "0", "inf", "nan", "m5"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_are_written_in_at_most_two_units() {
        let written: Vec<_> =
            [0, 850, 1_250, 12_000, 1_449_999, 200 * SECOND, 2 * MINUTE, 25 * HOUR]
                .into_iter()
                .map(duration)
                .collect();
        assert_eq!(written, ["0us", "850us", "1.2ms", "12ms", "1.4s", "3m 20s", "2m", "1d 1h"]);
        assert_eq!(seconds(0.0125), "12ms");
    }

    #[test]
    fn figures_of_a_column_share_their_decimals() {
        assert_eq!(figures(&[Some(0.5), None, Some(1.0)]), ["0.5000", "-", "1.0000"]);
        assert_eq!(figures(&[Some(1234.5), Some(2.0)]), ["1234", "2"]);
    }

    #[test]
    fn an_age_never_comes_from_the_future() {
        let at = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        assert_eq!(age(at(100), at(50)), "now");
        assert_eq!(age(at(0), at(200)), "3m ago");
    }
}
