//! The store itself: what it owns, and how the traits come down to the queue and the readers.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wtb_model::{
    BatchId, CaseRecord, ExecutionId, ExecutionRecord, JournalEntry, ScoreRecord, SessionId,
    SessionRecord, StoredValue, Value, VariantRecord,
};

use super::address::{Address, SqliteOptions};
use super::connection::{compare_version, open_collector, open_writer};
use super::outside;
use super::read::{Findable, Query, Readers};
use super::write::last_sequence;
use super::writer::Writer;
use crate::writer::{Bounds, Writing};
use crate::{
    BatchFilter, BatchSummary, ExecutionDetail, ExecutionFilter, Hash, JournalFilter, NewObject,
    Objects, Outside, Page, Receipt, Recent, Store, StoreError, Ticket, UnitOfWork, Upgrade,
    store_value,
};

const BATCHES: Findable = Findable { table: "batches", what: "batch", prefix: BatchId::PREFIX };
const EXECUTIONS: Findable =
    Findable { table: "executions", what: "execution", prefix: ExecutionId::PREFIX };

/// A store in one SQLite file.
///
/// It must not cross a `fork`: a child opens the file anew.
///
/// # Examples
///
/// ```
/// use wtb_store::sqlite::{SqliteOptions, SqliteStore};
/// use wtb_store::{BatchFilter, Page, Store};
///
/// # let directory = tempfile::tempdir()?;
/// # let address = format!("sqlite:///{}", directory.path().join("wtb.db").display());
/// let store = SqliteStore::open(&address, SqliteOptions::default())?;
/// assert!(store.batches(&BatchFilter::default(), Page::first(10))?.is_empty());
/// store.close()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    url: String,
    pub(super) writing: Writing,
    pub(super) readers: Readers,
    pub(super) recent: Recent,
    pub(super) outside: Arc<Outside>,
    pub(super) address: Address,
}

impl SqliteStore {
    /// Opens a store, creating or upgrading it where needed, and starts its writer.
    ///
    /// The address is a path, or `sqlite:///relative/path` or `sqlite:////absolute/path`, with a
    /// query of options (see [`SqliteOptions`]) such as `?synchronous=full`.
    pub fn open(address: &str, options: SqliteOptions) -> Result<Self, StoreError> {
        let address = Address::parse(address, options)?;
        let connection = open_writer(&address)?;
        let Address { url, options, .. } = address.clone();
        let sequence = last_sequence(&connection).map_err(|error| error.at_store(&url))?;
        let bounds = Bounds {
            queue_capacity: options.queue_capacity,
            queue_bytes: options.queue_bytes,
            group_max: options.group_max,
        };
        let location = outside::get(&connection).map_err(|error| error.at_store(&url))?;
        let readers = Readers::new(address.clone());
        let outside = Arc::new(Outside::new(location, options.outside_bytes_min));
        let writer = Writer::new(connection);
        let writing = Writing::start(&url, sequence, bounds, Arc::clone(&outside), writer)?;
        Ok(Self { url, writing, readers, recent: Recent::default(), outside, address })
    }

    /// Tells what [`SqliteStore::upgrade`] would do, and changes nothing. The store has to be there.
    pub fn upgrade_needed(
        address: &str,
        mut options: SqliteOptions,
    ) -> Result<Upgrade, StoreError> {
        options.create = false;
        compare_version(&Address::parse(address, options)?)
    }

    /// Upgrades a store that has to be there, as opening it would. Returns what it was before.
    pub fn upgrade(address: &str, mut options: SqliteOptions) -> Result<Upgrade, StoreError> {
        options.create = false;
        let address = Address::parse(address, options)?;
        let upgrade = compare_version(&address)?;
        if upgrade.is_needed() {
            open_writer(&address)?;
        }
        Ok(upgrade)
    }
}

impl Objects for SqliteStore {
    fn put(&self, object: NewObject) -> Result<(), StoreError> {
        self.writing.put(object)
    }

    fn get(&self, hash: Hash) -> Result<Vec<u8>, StoreError> {
        self.writing.get(hash, || self.readers.read(|query| query.object(&self.outside, hash)))
    }
}

impl Store for SqliteStore {
    fn url(&self) -> &str {
        &self.url
    }

    fn file(&self) -> Option<&Path> {
        Some(&self.address.path)
    }

    fn keep_objects_in(&self, directory: &Path) -> Result<(), StoreError> {
        let location = open_collector(&self.address)
            .and_then(|mut connection| outside::set(&mut connection, directory))
            .map_err(|error| error.at_store(&self.url))?;
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
        self.readers.read(|query| query.batches(filter, page))
    }

    fn find_batch(&self, text: &str) -> Result<BatchId, StoreError> {
        self.readers.read(|query| query.find(BATCHES, text))
    }

    fn variants(&self, batch: &BatchId) -> Result<Vec<VariantRecord>, StoreError> {
        self.readers.read(|query| query.variants(batch))
    }

    fn cases(&self, batch: &BatchId) -> Result<Vec<CaseRecord>, StoreError> {
        self.readers.read(|query| query.cases(batch))
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
        self.readers.read(|query| query.detail(id))
    }

    fn scores(&self, batch: &BatchId) -> Result<Vec<(ExecutionId, ScoreRecord)>, StoreError> {
        self.readers.read(|query| query.scores(batch))
    }

    fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        self.readers.read(|query| query.session(id))
    }

    fn open_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        self.readers.read(Query::open_sessions)
    }

    /// By the clock of this machine, which is that of all who can have the file open.
    fn silence(&self, id: &SessionId) -> Result<Duration, StoreError> {
        let heard = self.session(id)?.heartbeat_at.as_micros();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let heard = Duration::from_micros(u64::try_from(heard).unwrap_or_default());
        Ok(now.saturating_sub(heard))
    }

    fn journal(
        &self,
        filter: &JournalFilter,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        self.readers.read(|query| query.journal(filter, after, limit))
    }

    fn last_sequence(&self) -> Result<u64, StoreError> {
        self.readers.read(Query::last_sequence)
    }

    fn wait_journal(&self, after: u64, timeout: Duration) -> u64 {
        self.writing.wait_journal(after, timeout)
    }

    fn close(&self) -> Result<(), StoreError> {
        // The last connection to close tidies the write-ahead log away: let that be the writer's.
        self.readers.close_idle();
        self.writing.close();
        self.readers.close_idle();
        self.writing.join()
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Whoever wants to know how the writer ended calls `close`.
        let _ = self.close();
    }
}
