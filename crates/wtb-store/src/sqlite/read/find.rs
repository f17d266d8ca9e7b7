//! From what a person types to the one id that it means.

use std::fmt::Display;
use std::str::FromStr;

use super::{Query, integer};
use crate::StoreError;
use crate::find::Range;
use crate::sqlite::columns::only;

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
    pub(in crate::sqlite) fn find<T: FromStr<Err: Display> + Display>(
        &self,
        kind: Findable,
        text: &str,
    ) -> Result<T, StoreError> {
        let Findable { table, what, prefix } = kind;
        let range = if text == "latest" {
            let sql = format!("SELECT id FROM {table} ORDER BY key DESC LIMIT 1");
            let latest: Option<String> = self.first(&sql, &[], what, only)?;
            Range::latest::<T>(what, prefix, latest)?
        } else {
            Range::new(what, prefix, text)?
        };
        // A range instead of LIKE: it uses the index, and no character in it has a meaning.
        let sql = format!("SELECT id FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?");
        let parameters =
            [range.first.clone().into(), range.end.clone().into(), integer(Range::LIMIT)];
        let found: Vec<String> = self.all(&sql, &parameters, what, only)?;
        range.choose(&found)
    }
}
