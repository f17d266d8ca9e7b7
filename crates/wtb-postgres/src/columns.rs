//! Reading a row column by column, with errors that say which record cannot be read.

use std::fmt::Display;
use std::str::FromStr;

use postgres::Row;
use postgres::types::FromSql;
use serde::de::DeserializeOwned;
use wtb_model::{StoredValue, Timestamp};
use wtb_store::StoreError;
use wtb_store::codec::decode_value;

use crate::errors::with_causes;
use crate::text;

/// A row and the next column to read: records name their columns in the order of their fields.
pub(crate) struct Columns<'row> {
    row: &'row Row,
    next: usize,
    what: &'static str,
}

/// Reads a row of one column.
pub(crate) fn only<T: for<'row> FromSql<'row>>(columns: &mut Columns<'_>) -> Result<T, StoreError> {
    columns.take()
}

/// Reads a row of one number.
pub(crate) fn only_number<T: TryFrom<i64>>(columns: &mut Columns<'_>) -> Result<T, StoreError> {
    columns.number()
}

impl<'row> Columns<'row> {
    /// Begins at the first column; `what` names the record in errors, such as `an execution`.
    pub(crate) fn new(row: &'row Row, what: &'static str) -> Self {
        Self { row, next: 0, what }
    }

    /// Reads a plain column.
    pub(crate) fn take<T: FromSql<'row>>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|error| self.unreadable(index, &with_causes(&error)))
    }

    /// Reads a number.
    pub(crate) fn number<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        let index = self.next;
        let number: i64 = self.take()?;
        T::try_from(number)
            .map_err(|_| self.unreadable(index, &format!("{number} is out of range")))
    }

    /// Reads a number or NULL.
    pub(crate) fn optional_number<T: TryFrom<i64>>(&mut self) -> Result<Option<T>, StoreError> {
        if self.passes_null()? { Ok(None) } else { self.number().map(Some) }
    }

    /// Reads a text.
    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        self.take().map(text::read)
    }

    /// Reads a text or NULL.
    pub(crate) fn optional_text(&mut self) -> Result<Option<String>, StoreError> {
        Ok(self.take::<Option<String>>()?.map(text::read))
    }

    /// Reads a time.
    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.take().map(Timestamp::from_micros)
    }

    /// Reads a time or NULL.
    pub(crate) fn optional_time(&mut self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.take::<Option<i64>>()?.map(Timestamp::from_micros))
    }

    /// Reads a name that `parse` knows.
    pub(crate) fn name<T>(&mut self, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        let index = self.next;
        let text: &str = self.take()?;
        parse(text).ok_or_else(|| {
            self.unreadable(index, &format!("`{text}` is not known to this program"))
        })
    }

    /// Reads a text of this program that `parse` understands.
    pub(crate) fn parsed<T, E: Display>(
        &mut self,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, StoreError> {
        let index = self.next;
        let text: &str = self.take()?;
        parse(text).map_err(|error| self.unreadable(index, &error))
    }

    /// Reads an id.
    pub(crate) fn id<T: FromStr<Err: Display>>(&mut self) -> Result<T, StoreError> {
        self.parsed(str::parse)
    }

    /// Reads an id or NULL.
    pub(crate) fn optional_id<T>(&mut self) -> Result<Option<T>, StoreError>
    where
        T: FromStr<Err: Display>,
    {
        if self.passes_null()? { Ok(None) } else { self.id().map(Some) }
    }

    /// Reads a JSON document.
    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> Result<T, StoreError> {
        self.parsed(|text| serde_json::from_str(text))
    }

    /// Reads a JSON document or NULL.
    pub(crate) fn optional_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, StoreError> {
        if self.passes_null()? { Ok(None) } else { self.json().map(Some) }
    }

    /// Reads a stored value.
    pub(crate) fn value(&mut self) -> Result<StoredValue, StoreError> {
        self.decoded(decode_value)
    }

    /// Reads a stored value or NULL.
    pub(crate) fn optional_value(&mut self) -> Result<Option<StoredValue>, StoreError> {
        if self.passes_null()? { Ok(None) } else { self.value().map(Some) }
    }

    /// Reads texts; none for NULL.
    pub(crate) fn texts(&mut self) -> Result<Vec<String>, StoreError> {
        let texts: Option<Vec<String>> = self.take()?;
        Ok(texts.unwrap_or_default().into_iter().map(text::read).collect())
    }

    /// Reads stored values; none for NULL.
    pub(crate) fn values(&mut self) -> Result<Vec<StoredValue>, StoreError> {
        let index = self.next;
        let blobs: Option<Vec<&[u8]>> = self.take()?;
        let values = blobs.unwrap_or_default().into_iter().map(decode_value);
        values.collect::<Result<_, _>>().map_err(|reason| self.unreadable(index, &reason))
    }

    /// Reads bytes that `decode` understands.
    pub(crate) fn decoded<T>(
        &mut self,
        decode: impl FnOnce(&[u8]) -> Result<T, String>,
    ) -> Result<T, StoreError> {
        let index = self.next;
        let blob: &[u8] = self.take()?;
        decode(blob).map_err(|reason| self.unreadable(index, &reason))
    }

    fn passes_null(&mut self) -> Result<bool, StoreError> {
        let index = self.next;
        let Null(null) = self
            .row
            .try_get(index)
            .map_err(|error| self.unreadable(index, &with_causes(&error)))?;
        self.next += usize::from(null);
        Ok(null)
    }

    fn unreadable(&self, index: usize, reason: &dyn Display) -> StoreError {
        let columns = self.row.columns();
        let column = columns.get(index).map_or_else(|| index.to_string(), |c| c.name().to_owned());
        StoreError::Unreadable {
            what: self.what.to_owned(),
            reason: format!("column `{column}`: {reason}"),
        }
    }
}

/// Whether a column of any type is NULL.
struct Null(bool);

impl FromSql<'_> for Null {
    fn from_sql(
        _: &postgres::types::Type,
        _: &[u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(false))
    }

    fn from_sql_null(
        _: &postgres::types::Type,
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(true))
    }

    fn accepts(_: &postgres::types::Type) -> bool {
        true
    }
}
