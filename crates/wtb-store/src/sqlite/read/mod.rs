//! Queries, and the small pool of read-only connections that they run on.
//!
//! A query gathers what it returns before its connection goes back: no reader holds a transaction
//! while its caller looks at the rows, so the write-ahead log can always be tidied.

mod batches;
mod checkpoints;
mod executions;
mod find;
mod journal;
mod objects;
mod steps;

pub(super) use self::checkpoints::{Row as CheckpointRow, Unread, outline};
pub(super) use self::find::Findable;

use std::path::PathBuf;
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use wtb_model::{BatchId, ExecutionId};

use super::address::{Address, SqliteOptions};
use super::columns::{Columns, only};
use super::connection::open_reader;
use super::errors::While;
use crate::{Page, StoreError};

/// The pool of connections that read.
#[derive(Debug)]
pub(super) struct Readers {
    /// The store's address, for errors.
    url: String,
    path: PathBuf,
    options: SqliteOptions,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Query>,
    busy: usize,
    /// How many wait for a connection: to wake nobody is a system call.
    waiting: usize,
}

impl Readers {
    /// Makes an empty pool for a store that has been opened for writing before.
    pub(super) fn new(address: Address) -> Self {
        let Address { url, path, options } = address;
        Self { url, path, options, pool: Mutex::default(), returned: Condvar::new() }
    }

    /// Runs queries on one view of the store.
    pub(super) fn read<T>(
        &self,
        queries: impl FnOnce(&Query) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read_here(queries).map_err(|error| error.at_store(&self.url))
    }

    fn read_here<T>(
        &self,
        queries: impl FnOnce(&Query) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let reader = self.reader()?;
        let query = reader.query.as_ref().ok_or(StoreError::Closed)?;
        let _view = View::begin(&query.connection).while_("beginning to read")?;
        queries(query)
    }

    /// Closes the connections that nobody uses, so that the file can be closed for good.
    pub(super) fn close_idle(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }

    fn reader(&self) -> Result<Reader<'_>, StoreError> {
        let mut pool = self.lock();
        while pool.idle.is_empty() && pool.busy >= self.options.readers.max(1) {
            pool.waiting += 1;
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
            pool.waiting -= 1;
        }
        pool.busy += 1;
        let mut reader = Reader { readers: self, query: pool.idle.pop() };
        drop(pool);
        if reader.query.is_none() {
            let connection = open_reader(&self.path, &self.options)?;
            reader.query = Some(Query { connection });
        }
        Ok(reader)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction that reads, by statements that are prepared once.
struct View<'query>(&'query Connection);

impl<'query> View<'query> {
    fn begin(connection: &'query Connection) -> rusqlite::Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // A view that has read has nothing to lose: it ends either way.
        let ended = self.0.prepare_cached("COMMIT").and_then(|mut end| end.execute([]));
        if ended.is_err() && !self.0.is_autocommit() {
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

/// A connection on loan: it goes back however its user ends.
struct Reader<'pool> {
    readers: &'pool Readers,
    query: Option<Query>,
}

impl Drop for Reader<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.lock();
        pool.busy -= 1;
        pool.idle.extend(self.query.take());
        let somebody_waits = pool.waiting > 0;
        drop(pool);
        if somebody_waits {
            self.readers.returned.notify_one();
        }
    }
}

/// A connection to ask; the files beside this one ask for what belongs to their topic.
#[derive(Debug)]
pub(super) struct Query {
    connection: Connection,
}

impl Query {
    /// Gathers what `decode` makes of each row; `what` names the record in errors.
    fn all<T>(
        &self,
        sql: &str,
        parameters: &[Value],
        what: &'static str,
        mut decode: impl FnMut(&mut Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.some(sql, parameters, what, |columns| decode(columns).map(Some), Page::ALL)
    }

    /// Like [`Self::all`], without the rows that `decode` leaves out, and of those only a page.
    fn some<T>(
        &self,
        sql: &str,
        parameters: &[Value],
        what: &'static str,
        mut decode: impl FnMut(&mut Columns<'_>) -> Result<Option<T>, StoreError>,
        page: Page,
    ) -> Result<Vec<T>, StoreError> {
        let doing = || format!("reading {what}");
        let mut statement = self.connection.prepare_cached(sql).while_(&doing())?;
        let mut rows = statement.query(params_from_iter(parameters)).while_(&doing())?;
        let (mut found, mut passed) = (Vec::new(), 0);
        while (found.len() as u64) < page.limit {
            let Some(row) = rows.next().while_(&doing())? else {
                break;
            };
            if let Some(record) = decode(&mut Columns::new(row, what))? {
                if passed < page.offset {
                    passed += 1;
                } else {
                    found.push(record);
                }
            }
        }
        Ok(found)
    }

    /// Returns what `decode` makes of the first row, if there is one.
    fn first<T>(
        &self,
        sql: &str,
        parameters: &[Value],
        what: &'static str,
        mut decode: impl FnMut(&mut Columns<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let decode = |columns: &mut Columns<'_>| decode(columns).map(Some);
        let rows = self.some(sql, parameters, what, decode, Page::first(1))?;
        Ok(rows.into_iter().next())
    }

    /// Returns the integer key of a batch.
    fn batch_key(&self, id: &BatchId) -> Result<i64, StoreError> {
        let sql = "SELECT key FROM batches WHERE id = ?";
        self.first(sql, &[id.as_str().to_owned().into()], "a batch", only)?
            .ok_or_else(|| StoreError::NotFound { what: "batch", id: id.to_string() })
    }

    /// Returns the integer key of an execution.
    fn execution_key(&self, id: &ExecutionId) -> Result<i64, StoreError> {
        let sql = "SELECT key FROM executions WHERE id = ?";
        self.first(sql, &[id.as_str().to_owned().into()], "an execution", only)?
            .ok_or_else(|| StoreError::NotFound { what: "execution", id: id.to_string() })
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

    /// Adds a condition with its parameters.
    fn and(&mut self, condition: &str, parameters: impl IntoIterator<Item = Value>) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
        self.parameters.extend(parameters);
    }

    /// Adds a condition on a text, when there is one.
    fn and_text(&mut self, condition: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.and(condition, [text.to_owned().into()]);
        }
    }

    /// Ends with an order.
    fn ordered(&mut self, order: &str) {
        self.sql.push_str(" ORDER BY ");
        self.sql.push_str(order);
    }

    /// Ends with a page.
    fn page(&mut self, page: Page) {
        self.sql.push_str(" LIMIT ? OFFSET ?");
        self.parameters.extend([integer(page.limit), integer(page.offset)]);
    }
}

/// Turns a count into a parameter; more than SQLite can count is as good as all.
fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}
