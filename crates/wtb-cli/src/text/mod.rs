//! Text for people: paint, tables, and how times, durations and figures are written.

mod style;
mod table;
mod tame;
mod units;

pub(crate) use style::{Style, Tone};
pub(crate) use table::{Column, Table, wrap};
pub(crate) use tame::tame;
pub(crate) use units::{
    age, bytes, clock_time, duration, figures, parse_duration, plural, seconds,
};

use unicode_width::UnicodeWidthStr;

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Returns the first line of a text, cut to `limit` columns.
pub(crate) fn one_line(text: &str, limit: usize) -> String {
    cut(text.trim().lines().next().unwrap_or_default(), limit)
}

/// Returns a line, cut to `limit` columns.
pub(crate) fn cut(line: &str, limit: usize) -> String {
    if width(line) <= limit {
        return line.to_owned();
    }
    let mut cut = String::new();
    for letter in line.chars() {
        if width(&cut) + width(letter.encode_utf8(&mut [0; 4])) >= limit {
            break;
        }
        cut.push(letter);
    }
    cut.push('…');
    cut
}
