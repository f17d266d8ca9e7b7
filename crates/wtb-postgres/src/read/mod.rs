//! Queries; the files beside this one ask for what belongs to their topic.
//!
//! A query gathers what it returns before its connection goes back. One that needs several
//! statements runs in a transaction, which is one view of the store.

mod batches;
mod checkpoints;
mod executions;
mod find;
mod history;
mod journal;
mod objects;
mod steps;

pub(crate) use self::checkpoints::{One, ROWS_AT_ONCE, Row as CheckpointRow, Unread};
pub(crate) use self::find::Findable;
pub(crate) use self::objects::InPieces;

use postgres::Row;
use wtb_model::{BatchId, ExecutionId};
use wtb_store::{Page, StoreError};

use crate::collect;
use crate::columns::{Columns, only};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::sql::{Value, saturated};

/// A connection to ask.
pub(crate) struct Query<'connection> {
    connection: &'connection mut Connection,
}

impl<'connection> Query<'connection> {
    /// Whether enough has been deleted to collect objects.
    pub(crate) fn is_collection_due(&mut self) -> Result<bool, Failure> {
        collect::is_due(self.connection)
    }

    /// Asks on a connection.
    pub(crate) fn new(connection: &'connection mut Connection) -> Self {
        Self { connection }
    }

    /// Gathers what `decode` makes of each row; `what` names the record in errors.
    fn all<T>(
        &mut self,
        sql: &str,
        parameters: &[Value],
        what: &'static str,
        decode: impl Fn(&mut Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, Failure> {
        let rows = self.connection.query(sql, parameters, &format!("reading {what}"))?;
        let decode = |row: &Row| decode(&mut Columns::new(row, what));
        Ok(rows.iter().map(decode).collect::<Result<_, _>>()?)
    }

    /// Returns what `decode` makes of the first row, if there is one.
    fn first<T>(
        &mut self,
        sql: &str,
        parameters: &[Value],
        what: &'static str,
        decode: impl Fn(&mut Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, Failure> {
        Ok(self.all(sql, parameters, what, decode)?.into_iter().next())
    }

    /// Returns the integer key of a batch.
    fn batch_key(&mut self, id: &BatchId) -> Result<Value, Failure> {
        let sql = "SELECT key FROM @.batches WHERE id = $1";
        let key: Option<i64> = self.first(sql, &[id.as_str().into()], "a batch", only)?;
        let missing = || StoreError::NotFound { what: "batch", id: id.to_string() };
        Ok(key.ok_or_else(missing)?.into())
    }

    /// Returns the integer key of an execution.
    fn execution_key(&mut self, id: &ExecutionId) -> Result<Value, Failure> {
        let sql = "SELECT key FROM @.executions WHERE id = $1";
        let key: Option<i64> = self.first(sql, &[id.as_str().into()], "an execution", only)?;
        let missing = || StoreError::NotFound { what: "execution", id: id.to_string() };
        Ok(key.ok_or_else(missing)?.into())
    }
}

/// A query under construction. Only literals of this program become SQL; whatever comes from
/// outside is a parameter.
struct Filter {
    sql: String,
    parameters: Vec<Value>,
}

impl Filter {
    /// Begins with everything up to and without `WHERE`.
    fn new(select: &str) -> Self {
        Self { sql: format!("{select} WHERE true"), parameters: Vec::new() }
    }

    /// The same, with the parameters that are in it already.
    fn with(select: &str, parameters: Vec<Value>) -> Self {
        Self { parameters, ..Self::new(select) }
    }

    /// Adds a condition; each `?` in it stands for one of the parameters.
    fn and(&mut self, condition: &str, parameters: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.push(condition, parameters);
    }

    /// Adds a condition on a text, when there is one.
    fn and_text(&mut self, condition: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.and(condition, [Value::text(text)]);
        }
    }

    /// Ends with an order.
    fn ordered(&mut self, order: &str) {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
    }

    /// Ends with a page.
    fn page(&mut self, page: Page) {
        let parameters = [page.limit, page.offset].map(|number| saturated(number).into());
        self.push(" LIMIT ? OFFSET ?", parameters);
    }

    fn push(&mut self, sql: &str, parameters: impl IntoIterator<Item = Value>) {
        let mut number = self.parameters.len();
        for (index, part) in sql.split('?').enumerate() {
            if index > 0 {
                number += 1;
                self.sql.push('$');
                self.sql.push_str(&number.to_string());
            }
            self.sql.push_str(part);
        }
        self.parameters.extend(parameters);
    }
}
