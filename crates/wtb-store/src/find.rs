//! From what a person types to the one id that it means: what stores share of it.
//!
//! A store looks for the ids that begin as [`Range`] says, and [`Range::choose`] tells which one was
//! meant. A cell and what it goes on to by itself are one candidate, since people know one id of both:
//! that as which both are displayed.

use std::fmt::Display;
use std::str::FromStr;

use crate::StoreError;

/// How many candidates an ambiguous prefix shows.
const CANDIDATES_MAX: usize = 5;

/// The ids that a text may mean, by their order.
#[derive(Debug, Clone)]
pub struct Range {
    what: &'static str,
    text: String,
    /// The first of them.
    pub first: String,
    /// What none of them reaches.
    pub end: String,
}

impl Range {
    /// How many ids have to be looked at, in their order: each may be there twice.
    pub const LIMIT: u64 = 2 * CANDIDATES_MAX as u64;

    /// Returns the range of a whole id or a prefix of one, with or without the letter of its kind
    /// (`prefix`). `what` is what a thing of that kind is called in errors.
    pub fn new(what: &'static str, prefix: &str, text: &str) -> Result<Self, StoreError> {
        let body = text.strip_prefix(prefix).unwrap_or(text);
        if body.is_empty() {
            return Err(StoreError::NotFound { what, id: text.to_owned() });
        }
        let first = format!("{prefix}{body}");
        let end = format!("{first}\u{10ffff}");
        Ok(Self { what, text: text.to_owned(), first, end })
    }

    /// Returns the range of the id that was written last, if there is one: `latest` means that.
    pub fn latest<T: FromStr<Err: Display> + Display>(
        what: &'static str,
        prefix: &str,
        id: Option<String>,
    ) -> Result<Self, StoreError> {
        let missing = || StoreError::NotFound { what, id: "latest".to_owned() };
        let id: T = read(what, &id.ok_or_else(missing)?)?;
        Self::new(what, prefix, &id.to_string())
    }

    /// Returns the id that is meant, of those that were found in the range, in their order.
    pub fn choose<T: FromStr<Err: Display> + Display>(
        self,
        found: &[String],
    ) -> Result<T, StoreError> {
        let Self { what, text, first, .. } = self;
        let mut ids = found.iter().map(|id| read(what, id)).collect::<Result<Vec<T>, _>>()?;
        let mut known: Vec<_> = ids.iter().map(ToString::to_string).collect();
        known.retain(|id| id.starts_with(&first));
        known.dedup();
        // What a cell goes on to is behind it.
        match (ids.pop(), known.len()) {
            (None, _) | (_, 0) => Err(StoreError::NotFound { what, id: text }),
            (Some(id), 1) => Ok(id),
            _ => {
                known.truncate(CANDIDATES_MAX);
                Err(StoreError::Ambiguous { what, prefix: text, candidates: known })
            }
        }
    }
}

fn read<T: FromStr<Err: Display>>(what: &str, id: &str) -> Result<T, StoreError> {
    id.parse().map_err(|error: T::Err| StoreError::Unreadable {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}
