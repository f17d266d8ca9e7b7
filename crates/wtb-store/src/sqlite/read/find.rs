//! From what a person types to the one id that it means.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::types::Value;

use super::Query;
use crate::StoreError;
use crate::sqlite::columns::only;

/// How many candidates an ambiguous prefix shows.
const CANDIDATES_MAX: i64 = 5;

/// Things that have ids.
#[derive(Debug, Clone, Copy)]
pub(in crate::sqlite) struct Findable {
    /// Their table.
    pub(in crate::sqlite) table: &'static str,
    /// What one is called in errors.
    pub(in crate::sqlite) what: &'static str,
    /// What each of their ids begins with.
    pub(in crate::sqlite) prefix: &'static str,
}

impl Query {
    /// Returns the id that `text` names: a whole id, a unique prefix of one (with or without the
    /// letter of its kind), or `latest` for the one written last.
    pub(in crate::sqlite) fn find<T: FromStr<Err: Display>>(
        &self,
        kind: Findable,
        text: &str,
    ) -> Result<T, StoreError> {
        let Findable { table, what, prefix } = kind;
        let missing = || StoreError::NotFound { what, id: text.to_owned() };
        if text == "latest" {
            let sql = format!("SELECT id FROM {table} ORDER BY key DESC LIMIT 1");
            let latest: Option<String> = self.first(&sql, &[], what, only)?;
            return parse(what, &latest.ok_or_else(missing)?);
        }
        let body = text.strip_prefix(prefix).unwrap_or(text);
        if body.is_empty() {
            return Err(missing());
        }
        // A range instead of LIKE: it uses the index, and no character in it has a meaning.
        let sql = format!("SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?");
        let first = format!("{prefix}{body}");
        let end = format!("{first}\u{10ffff}");
        let range = [first.into(), end.into(), Value::Integer(CANDIDATES_MAX)];
        let candidates = self.all(&sql, &range, what, only::<String>)?;
        match candidates.as_slice() {
            [] => Err(missing()),
            [id] => parse(what, id),
            _ => Err(StoreError::Ambiguous { what, prefix: text.to_owned(), candidates }),
        }
    }
}

fn parse<T: FromStr<Err: Display>>(what: &str, id: &str) -> Result<T, StoreError> {
    id.parse().map_err(|error: T::Err| StoreError::Unreadable {
        what: what.to_owned(),
        reason: error.to_string(),
    })
}
