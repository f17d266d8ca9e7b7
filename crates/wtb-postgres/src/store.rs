//! The store itself: what it owns, and how the traits come down to the queue and the readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use wtb_model::{
    BatchId, CaseRecord, ExecutionId, ExecutionRecord, JournalEntry, ScoreRecord, SessionId,
    SessionRecord, StoredValue, Value, VariantRecord,
};
use wtb_store::writer::{Bounds, Writing};
use wtb_store::{
    BatchFilter, BatchSummary, ExecutionDetail, ExecutionFilter, Hash, JournalFilter, Location,
    NewObject, Objects, Outside, Page, Receipt, Recent, Store, StoreError, Ticket, UnitOfWork,
    Upgrade, store_value,
};

use crate::address::{Address, PostgresOptions};
use crate::connection::Connection;
use crate::errors::Failure;
use crate::migrations::{Lives, MIGRATIONS, compare, migrate, upgrade};
use crate::outside;
use crate::pool::Readers;
use crate::read::{Findable, Query};
use crate::writer::Writer;

const BATCHES: Findable = Findable { table: "batches", what: "batch", prefix: BatchId::PREFIX };
const EXECUTIONS: Findable =
    Findable { table: "executions", what: "execution", prefix: ExecutionId::PREFIX };

/// A store in one schema of a PostgreSQL database.
///
/// It must not cross a `fork`: a child opens the store anew. Nor may it be called on a thread that
/// runs an async executor.
///
/// # Examples
///
/// ```no_run
/// use wtb_postgres::{PostgresOptions, PostgresStore};
/// use wtb_store::{BatchFilter, Page, Store};
///
/// let store =
///     PostgresStore::open("postgresql://me@localhost/experiments", PostgresOptions::default())?;
/// for summary in store.batches(&BatchFilter::default(), Page::first(10))? {
///     let _counts = summary.counts;
/// }
/// store.close()?;
/// # Ok::<(), wtb_store::StoreError>(())
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    url: String,
    pub(crate) writing: Writing,
    pub(crate) readers: Readers,
    pub(crate) recent: Recent,
    pub(crate) outside: Arc<Outside>,
}

impl PostgresStore {
    /// Opens a store, creating it where there is none, and starts its writer.
    ///
    /// The address is that of a database, `postgresql://user:password@host:port/database`, with a
    /// query of options (see [`PostgresOptions`]) such as `?schema=team`, and those of libpq that
    /// the client knows.
    pub fn open(address: &str, options: PostgresOptions) -> Result<Self, StoreError> {
        let address = Address::parse(address, options)?;
        let (connection, sequence, location) =
            prepare(&address).map_err(|failure| name_store(failure, &address.url))?;
        let bounds = Bounds {
            queue_capacity: address.options.queue_capacity,
            queue_bytes: address.options.queue_bytes,
            group_max: address.options.group_max,
        };
        let url = address.url.clone();
        let outside = Arc::new(Outside::new(location, address.options.outside_bytes_min));
        let writer = Writer::new(address.clone(), sequence)?;
        let writing = Writing::start(&url, sequence, bounds, Arc::clone(&outside), writer)?;
        let readers = Readers::new(address, connection);
        Ok(Self { url, writing, readers, recent: Recent::default(), outside })
    }

    /// Tells what [`PostgresStore::upgrade`] would do, and changes nothing. The store has to be there.
    ///
    /// `lives` says whether a session lives that has been silent for so long.
    pub fn upgrade_needed(
        address: &str,
        options: PostgresOptions,
        lives: Lives<'_>,
    ) -> Result<Upgrade, StoreError> {
        let address = Address::parse(address, options)?;
        connect(&address)
            .and_then(|mut connection| compare(&mut connection, &address, MIGRATIONS, lives))
            .map_err(|failure| name_store(failure, &address.url))
    }

    /// Upgrades a store that has to be there. Returns what it was before. While a session lives,
    /// the upgrade is refused with [`StoreError::InUse`].
    ///
    /// `lives` says whether a session lives that has been silent for so long.
    pub fn upgrade(
        address: &str,
        options: PostgresOptions,
        lives: Lives<'_>,
    ) -> Result<Upgrade, StoreError> {
        let address = Address::parse(address, options)?;
        connect(&address)
            .and_then(|mut connection| upgrade(&mut connection, &address, MIGRATIONS, lives))
            .map_err(|failure| name_store(failure, &address.url))
    }
}

/// Connects to a server that the statements work on.
fn connect(address: &Address) -> Result<Connection, Failure> {
    let mut connection = Connection::open(address)?;
    connection.check_server(&address.url)?;
    Ok(connection)
}

/// Connects, and makes a store where there is none.
fn prepare(address: &Address) -> Result<(Connection, u64, Option<Location>), Failure> {
    let mut connection = connect(address)?;
    migrate(&mut connection, address, MIGRATIONS)?;
    let mut query = Query::new(&mut connection);
    let (sequence, location) = (query.last_sequence()?, query.object_directory()?);
    Ok((connection, sequence, location))
}

/// Adds the store's address to what went wrong while it was opened.
fn name_store(failure: Failure, url: &str) -> StoreError {
    let url = url.to_owned();
    match failure {
        Failure::Lost(reason) => StoreError::Unavailable {
            url,
            reason: format!("{reason}; see that the server runs, and that host and port are right"),
        },
        Failure::Conflict(error) | Failure::Data(error) | Failure::Fatal(error) => match error {
            StoreError::ReadOnly(reason) => StoreError::Open { url, reason },
            StoreError::Backend { doing, reason } => {
                StoreError::Open { url, reason: format!("{reason} (while {doing})") }
            }
            other => other.at_store(&url),
        },
    }
}

impl Objects for PostgresStore {
    fn put(&self, object: NewObject) -> Result<(), StoreError> {
        self.writing.put(object)
    }

    fn get(&self, hash: Hash) -> Result<Vec<u8>, StoreError> {
        self.writing.get(hash, || self.readers.read(|query| query.object(&self.outside, hash)))
    }
}

impl Store for PostgresStore {
    fn url(&self) -> &str {
        &self.url
    }

    fn keep_objects_in(&self, directory: &Path) -> Result<(), StoreError> {
        let location = self.readers.work(|connection| outside::set(connection, directory))?;
        self.outside.move_to(location);
        self.outside.path().map(drop)
    }

    fn object_directory(&self) -> Result<Option<PathBuf>, StoreError> {
        self.outside.path()
    }

    fn submit(&self, unit: UnitOfWork) -> Result<Ticket, StoreError> {
        self.writing.submit(unit)
    }

    fn is_full(&self) -> bool {
        self.writing.is_full()
    }

    fn commit(&self, unit: UnitOfWork) -> Result<Receipt, StoreError> {
        self.writing.commit(unit)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.writing.flush()
    }

    fn put_value(&self, value: Value) -> Result<StoredValue, StoreError> {
        store_value(self, value)
    }

    fn value(&self, stored: &StoredValue) -> Result<Value, StoreError> {
        match stored {
            StoredValue::Inline { kind, bytes } => Ok(Value::new(kind, bytes.clone())),
            StoredValue::Object { kind, hash, .. } => Ok(Value::new(kind, self.get(*hash)?)),
        }
    }

    fn batch(&self, id: &BatchId) -> Result<BatchSummary, StoreError> {
        self.readers.read(|query| query.batch(id))
    }

    fn batches(&self, filter: &BatchFilter, page: Page) -> Result<Vec<BatchSummary>, StoreError> {
        self.readers.view(|query| query.batches(filter, page))
    }

    fn find_batch(&self, text: &str) -> Result<BatchId, StoreError> {
        self.readers.read(|query| query.find(BATCHES, text))
    }

    fn variants(&self, batch: &BatchId) -> Result<Vec<VariantRecord>, StoreError> {
        self.readers.view(|query| query.variants(batch))
    }

    fn cases(&self, batch: &BatchId) -> Result<Vec<CaseRecord>, StoreError> {
        self.readers.view(|query| query.cases(batch))
    }

    fn execution(&self, id: &ExecutionId) -> Result<ExecutionRecord, StoreError> {
        self.readers.read(|query| query.execution(id))
    }

    fn executions(
        &self,
        filter: &ExecutionFilter,
        page: Page,
    ) -> Result<Vec<ExecutionRecord>, StoreError> {
        self.readers.read(|query| query.executions(filter, page))
    }

    fn find_execution(&self, text: &str) -> Result<ExecutionId, StoreError> {
        self.readers.read(|query| query.find(EXECUTIONS, text))
    }

    fn detail(&self, id: &ExecutionId) -> Result<ExecutionDetail, StoreError> {
        self.readers.view(|query| query.detail(id))
    }

    fn scores(&self, batch: &BatchId) -> Result<Vec<(ExecutionId, ScoreRecord)>, StoreError> {
        self.readers.view(|query| query.scores(batch))
    }

    fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        self.readers.read(|query| query.session(id))
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "it holds for one lifetime alone"
    )]
    fn open_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.readers.read(|query| query.open_sessions())
    }

    fn silence(&self, id: &SessionId) -> Result<Duration, StoreError> {
        self.readers.read(|query| query.silence(id))
    }

    fn journal(
        &self,
        filter: &JournalFilter,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.readers.read(|query| query.journal(filter, after, limit))
    }

    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "it holds for one lifetime alone"
    )]
    fn last_sequence(&self) -> Result<u64, StoreError> {
        self.readers.read(|query| query.last_sequence())
    }

    fn wait_journal(&self, after: u64, timeout: Duration) -> u64 {
        self.writing.wait_journal(after, timeout)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.writing.close();
        self.readers.close_idle();
        self.writing.join()
    }
}

impl Drop for PostgresStore {
    fn drop(&mut self) {
        // Whoever wants to know how the writer ended calls `close`.
        let _ = self.close();
    }
}
