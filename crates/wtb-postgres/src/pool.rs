//! The connections that read: made when they are needed, at most so many at once, kept while idle.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use wtb_store::StoreError;

use crate::address::Address;
use crate::connection::Connection;
use crate::errors::Failure;
use crate::patience::Patience;
use crate::read::Query;

/// The pool of connections that read.
#[derive(Debug)]
pub(crate) struct Readers {
    address: Address,
    pool: Mutex<Pool>,
    returned: Condvar,
}

#[derive(Debug, Default)]
struct Pool {
    idle: Vec<Connection>,
    busy: usize,
}

impl Readers {
    /// Makes a pool that has one idle connection.
    pub(crate) fn new(address: Address, first: Connection) -> Self {
        let pool = Mutex::new(Pool { idle: vec![first], busy: 0 });
        Self { address, pool, returned: Condvar::new() }
    }

    /// Runs one query. While the server is away it is tried again, as long as the patience lasts.
    pub(crate) fn read<T>(
        &self,
        query: impl Fn(&mut Query<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.patiently(|connection| query(&mut Query::new(connection)))
    }

    /// Runs queries on one view of the store.
    pub(crate) fn view<T>(
        &self,
        queries: impl Fn(&mut Query<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.patiently(|connection| {
            connection.begin_view()?;
            let found = queries(&mut Query::new(connection))?;
            connection.commit()?;
            Ok(found)
        })
    }

    /// Runs queries of which the first finds all rows, and the others their values.
    ///
    /// Values never change. But they may be collected before they are read, when others have deleted
    /// the rows in the meantime: only then it takes one view of the store.
    pub(crate) fn glance<T>(
        &self,
        queries: impl Fn(&mut Query<'_>) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        match self.read(&queries) {
            Err(StoreError::Corrupt { .. }) => self.view(queries),
            other => other,
        }
    }

    /// Runs a transaction that is good to be run again where nobody knows whether it was committed.
    pub(crate) fn work<T>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        self.patiently(work)
    }

    /// Closes the connections that nobody uses.
    pub(crate) fn close_idle(&self) {
        let idle = std::mem::take(&mut self.lock().idle);
        drop(idle);
    }

    fn patiently<T>(
        &self,
        work: impl Fn(&mut Connection) -> Result<T, Failure>,
    ) -> Result<T, StoreError> {
        let mut patience = Patience::new(&self.address.url, self.address.options.patience);
        loop {
            let failure = match self.once(&work) {
                Ok(found) => return Ok(found),
                Err(failure) => failure,
            };
            if matches!(failure, Failure::Lost(_)) {
                // What made this one die has as a rule killed the others as well.
                self.close_idle();
            }
            patience.again(failure).map_err(|failure| told(failure).at_store(&self.address.url))?;
        }
    }

    fn once<T>(&self, work: impl Fn(&mut Connection) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut loan = self.borrow();
        let mut connection = match loan.connection.take() {
            Some(connection) => connection,
            None => Connection::open(&self.address)?,
        };
        let found = work(&mut connection);
        // One that failed may be within a transaction, or dead.
        if found.is_ok() || connection.undo() {
            loan.connection = Some(connection);
        }
        found
    }

    fn borrow(&self) -> Loan<'_> {
        let mut pool = self.lock();
        while pool.idle.is_empty() && pool.busy >= self.address.options.readers.max(1) {
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
        pool.busy += 1;
        Loan { readers: self, connection: pool.idle.pop() }
    }

    fn lock(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a failure is to whoever asked.
fn told(failure: Failure) -> StoreError {
    match failure {
        Failure::Conflict(error) | Failure::Data(error) | Failure::Fatal(error) => error,
        Failure::Lost(reason) => StoreError::Backend { doing: "reading".to_owned(), reason },
    }
}

/// A place among the busy connections, and the one that is in it: both go back however its user
/// ends.
struct Loan<'pool> {
    readers: &'pool Readers,
    connection: Option<Connection>,
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        let mut pool = self.readers.lock();
        pool.busy -= 1;
        pool.idle.extend(self.connection.take());
        drop(pool);
        self.readers.returned.notify_one();
    }
}
