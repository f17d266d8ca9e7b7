//! From what a person types to the one id that it means.

use std::fmt::Display;
use std::str::FromStr;

use wtb_store::find::Range;

use super::Query;
use crate::columns::only;
use crate::errors::Failure;
use crate::sql::{Value, saturated};

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
    pub(crate) fn find<T: FromStr<Err: Display> + Display>(
        &mut self,
        kind: Findable,
        text: &str,
    ) -> Result<T, Failure> {
        let Findable { table, what, prefix } = kind;
        let range = if text == "latest" {
            let sql = format!("SELECT id FROM @.{table} ORDER BY key DESC LIMIT 1");
            let latest: Option<String> = self.first(&sql, &[], what, only)?;
            Range::latest::<T>(what, prefix, latest)?
        } else {
            Range::new(what, prefix, text)?
        };
        // A range instead of LIKE: it uses the index, and no character in it has a meaning.
        let sql =
            format!("SELECT id FROM @.{table} WHERE id >= $1 AND id < $2 ORDER BY id LIMIT $3");
        let parameters =
            [Value::text(&range.first), Value::text(&range.end), saturated(Range::LIMIT).into()];
        let found: Vec<String> = self.all(&sql, &parameters, what, only)?;
        Ok(range.choose(&found)?)
    }
}
