//! Reading a row column by column, with errors that say which record cannot be read.

use std::fmt::Display;
use std::str::FromStr;

use rusqlite::Row;
use rusqlite::types::{FromSql, ValueRef};
use serde::de::DeserializeOwned;
use wtb_model::{StoredValue, Timestamp};

use super::errors::database;
use crate::StoreError;
use crate::codec::decode_value;

/// A row and the next column to read: records name their columns in the order of their fields.
pub(super) struct Columns<'row> {
    row: &'row Row<'row>,
    next: usize,
    what: &'static str,
}

/// Reads a row of one column.
pub(super) fn only<T: FromSql>(columns: &mut Columns<'_>) -> Result<T, StoreError> {
    columns.take()
}

impl<'row> Columns<'row> {
    /// Begins at the first column; `what` names the record in errors, such as `an execution`.
    pub(super) fn new(row: &'row Row<'row>, what: &'static str) -> Self {
        Self { row, next: 0, what }
    }

    /// Reads a plain column.
    pub(super) fn take<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        self.row.get(index).map_err(|error| match error {
            rusqlite::Error::SqliteFailure(..) => database("reading a row", &error),
            other => self.unreadable(index, &other),
        })
    }

    /// Reads a time.
    pub(super) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.take().map(Timestamp::from_micros)
    }

    /// Reads a time or NULL.
    pub(super) fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    /// Reads a name that `parse` knows.
    pub(super) fn name<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let index = self.next;
        let text: String = self.take()?;
        parse(&text).ok_or_else(|| {
            self.unreadable(index, &format!("`{text}` is not known to this program"))
        })
    }

    /// Reads a text that `parse` understands.
    pub(super) fn parsed<T, E: Display>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let index = self.next;
        let text: String = self.take()?;
        parse(&text).map_err(|error| self.unreadable(index, &error))
    }

    /// Reads an id.
    pub(super) fn id<T: FromStr<Err: Display>>(&mut self) -> Result<T, StoreError> {
        self.parsed(str::parse)
    }

    /// Reads an id or NULL.
    pub(super) fn optional_id<T>(&mut self) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Display>,
    {
        if self.passes_null()? { Ok(None) } else { self.id().map(Some) }
    }

    /// Reads a BLOB that `decode` understands.
    pub(super) fn decoded<T>(
        &mut self,
        decode: impl Fn(&[u8]) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        let found = self.row.get_ref(index).map_err(|error| self.unreadable(index, &error))?;
        let blob = found.as_blob().map_err(|error| self.unreadable(index, &error))?;
        decode(blob).map_err(|reason| self.unreadable(index, &reason))
    }

    /// Reads a JSON document.
    pub(super) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        self.parsed(|text| serde_json::from_str(text))
    }

    /// Reads a JSON document or NULL.
    pub(super) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        if self.passes_null()? { Ok(None) } else { self.json().map(Some) }
    }

    /// Reads a stored value.
    pub(super) fn value(&mut self) -> Result<StoredValue, StoreError> {
        let index = self.next;
        let blob: Vec<u8> = self.take()?;
        decode_value(&blob).map_err(|reason| self.unreadable(index, &reason))
    }

    /// Reads a stored value or NULL.
    pub(super) fn optional_value(&mut self) -> Result<Option<StoredValue>, StoreError> {
        if self.passes_null()? { Ok(None) } else { self.value().map(Some) }
    }

    fn passes_null(&mut self) -> Result<bool, StoreError> {
        let null = match self.row.get_ref(self.next) {
            Ok(value) => value == ValueRef::Null,
            Err(error) => return Err(self.unreadable(self.next, &error)),
        };
        self.next += usize::from(null);
        Ok(null)
    }

    fn unreadable(&self, index: usize, reason: &dyn Display) -> StoreError {
        let column =
            self.row.as_ref().column_name(index).map_or_else(|_| index.to_string(), str::to_owned);
        StoreError::Unreadable {
            what: self.what.to_owned(),
            reason: format!("column `{column}`: {reason}"),
        }
    }
}
