//! Parameters of statements, each with the type that the statement is told.
//!
//! Types are always given: a statement whose types the server has to be asked for would first be
//! prepared under a name, which must not outlive a transaction.

use postgres::types::{ToSql, Type};
use wtb_model::Timestamp;
use wtb_store::StoreError;

use crate::text::written;

/// The table prefix in statements: replaced by the store's schema.
pub(crate) const SCHEMA: &str = "@.";

/// A parameter, or a cell of a row that is written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// A number or NULL.
    Int(Option<i64>),
    /// A number that may have a fraction, or NULL.
    Float(Option<f64>),
    /// Yes or no.
    Bool(bool),
    /// A text or NULL.
    Text(Option<String>),
    /// Bytes or NULL.
    Bytes(Option<Vec<u8>>),
    /// Numbers, for `= ANY` or `unnest`.
    Ints(Vec<Option<i64>>),
    /// The same with fractions.
    Floats(Vec<Option<f64>>),
    /// Yeses and noes.
    Bools(Vec<bool>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Byte strings.
    Blobs(Vec<Option<Vec<u8>>>),
}

impl Value {
    /// A text of any origin.
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Some(written(text).into_owned()))
    }

    /// A text of any origin, or NULL.
    pub(crate) fn optional_text(text: Option<&str>) -> Self {
        Self::Text(text.map(|text| written(text).into_owned()))
    }

    /// Texts of any origin.
    pub(crate) fn texts<'text>(texts: impl IntoIterator<Item = &'text str>) -> Self {
        Self::Texts(texts.into_iter().map(|text| Some(written(text).into_owned())).collect())
    }

    /// Numbers.
    pub(crate) fn ints(numbers: impl IntoIterator<Item = i64>) -> Self {
        Self::Ints(numbers.into_iter().map(Some).collect())
    }

    /// A time.
    pub(crate) const fn time(at: Timestamp) -> Self {
        Self::Int(Some(at.as_micros()))
    }

    /// The parameter as the client takes it.
    pub(crate) fn typed(&self) -> (&(dyn ToSql + Sync), Type) {
        match self {
            Self::Int(value) => (value, Type::INT8),
            Self::Float(value) => (value, Type::FLOAT8),
            Self::Bool(value) => (value, Type::BOOL),
            Self::Text(value) => (value, Type::TEXT),
            Self::Bytes(value) => (value, Type::BYTEA),
            Self::Ints(value) => (value, Type::INT8_ARRAY),
            Self::Floats(value) => (value, Type::FLOAT8_ARRAY),
            Self::Bools(value) => (value, Type::BOOL_ARRAY),
            Self::Texts(value) => (value, Type::TEXT_ARRAY),
            Self::Blobs(value) => (value, Type::BYTEA_ARRAY),
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<Option<f64>> for Value {
    fn from(value: Option<f64>) -> Self {
        Self::Float(value)
    }
}

/// A text of this program: the name of a state, JSON, an id. None of them holds a NUL.
impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(Some(value))
    }
}

impl From<Option<String>> for Value {
    fn from(value: Option<String>) -> Self {
        Self::Text(value)
    }
}

impl From<Option<Vec<u8>>> for Value {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

/// Returns a count as the database counts; larger ones are refused.
pub(crate) fn integer(number: u64, what: &str) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::Backend {
        doing: format!("writing {what}"),
        reason: format!("{number} is larger than {}", i64::MAX),
    })
}

/// Returns a count for a limit or an offset: more than the database can count is as good as all.
pub(crate) fn saturated(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
