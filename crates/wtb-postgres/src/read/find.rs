//! From what a person types to the one id that it means.

use std::fmt::Display;
use std::str::FromStr;

use wtb_store::StoreError;

use super::Query;
use crate::columns::only;
use crate::errors::Failure;
use crate::sql::Value;

/// How many candidates an ambiguous prefix shows.
const CANDIDATES_MAX: i64 = 5;

/// Things that have ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Findable {
    /// Their table.
    pub(crate) table: &'static str,
    /// What one is called in errors.
    pub(crate) what: &'static str,
    /// What each of their ids begins with.
    pub(crate) prefix: &'static str,
}

impl Query<'_> {
    /// Returns the id that `text` names: a whole id, a unique prefix of one (with or without the
    /// letter of its kind), or `latest` for the one written last.
    pub(crate) fn find<T: FromStr<Err: Display>>(
        &mut self,
        kind: Findable,
        text: &str,
    ) -> Result<T, Failure> {
        let Findable { table, what, prefix } = kind;
        let missing = || StoreError::NotFound { what, id: text.to_owned() };
        if text == "latest" {
            let sql = format!("SELECT id FROM @.{table} ORDER BY key DESC LIMIT 1");
            let latest: Option<String> = self.first(&sql, &[], what, only)?;
            return parse(what, &latest.ok_or_else(missing)?);
        }
        let body = text.strip_prefix(prefix).unwrap_or(text);
        if body.is_empty() {
            return Err(missing().into());
        }
        // A range instead of LIKE: it uses the index, and no character in it has a meaning.
        let sql =
            format!("SELECT id FROM @.{table} WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3");
        let first = format!("{prefix}{body}");
        let end = format!("{first}\u{10ffff}");
        let range = [Value::text(&first), Value::text(&end), CANDIDATES_MAX.into()];
        let candidates: Vec<String> = self.all(&sql, &range, what, only)?;
        match candidates.as_slice() {
            [] => Err(missing().into()),
            [id] => parse(what, id),
            _ => Err(Failure::Fatal(StoreError::Ambiguous {
                what,
                prefix: text.to_owned(),
                candidates,
            })),
        }
    }
}

fn parse<T: FromStr<Err: Display>>(what: &str, id: &str) -> Result<T, Failure> {
    id.parse().map_err(|error: T::Err| {
        Failure::Fatal(StoreError::Unreadable { what: what.to_owned(), reason: error.to_string() })
    })
}
