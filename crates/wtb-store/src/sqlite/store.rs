//! The store itself: what it owns, and how the traits come down to the queue and the readers.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use wtb_model::{
    BatchId, CaseRecord, ExecutionId, ExecutionRecord, JournalEntry, ScoreRecord, SessionId,
    SessionRecord, StoredValue, Value, VariantRecord,
};

use super::address::{Address, SqliteOptions};
use super::connection::open_writer;
use super::errors::at_store;
use super::queue::Queue;
use super::read::{Findable, Query, Readers};
use super::write::last_sequence;
use super::writer::{Progress, Writer};
use crate::{
    BatchFilter, BatchSummary, ExecutionDetail, ExecutionFilter, JournalFilter, Objects, Page,
    Store, StoreError, Ticket, UnitOfWork, store_value,
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
    queue: Arc<Queue>,
    progress: Arc<Progress>,
    readers: Readers,
    writer: Mutex<Option<JoinHandle<()>>>,
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
        let sequence = last_sequence(&connection).map_err(|error| at_store(error, &url))?;
        let progress = Arc::new(Progress::new(sequence));
        let queue = Arc::new(Queue::new(options.queue_capacity, options.queue_bytes));
        let shared = (Arc::clone(&queue), Arc::clone(&progress));
        let writer = Writer::new(connection, url.clone(), shared, options.group_max);
        let thread = thread::Builder::new()
            .name("wtb-store-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| StoreError::Open {
                url: url.clone(),
                reason: format!("its writer cannot be started: {error}"),
            })?;
        let readers = Readers::new(address);
        Ok(Self { url, queue, progress, readers, writer: Mutex::new(Some(thread)) })
    }
}

impl Objects for SqliteStore {
    fn put(&self, hash: [u8; 32], bytes: &[u8]) -> Result<(), StoreError> {
        self.queue.put(hash, bytes)
    }

    fn get(&self, hash: [u8; 32]) -> Result<Vec<u8>, StoreError> {
        let mut found = self.readers.read(|query| query.object(hash))?;
        if found.is_none() && self.queue.knows(&hash) {
            // It may still be waiting for the unit that names it.
            match self.flush() {
                Ok(()) | Err(StoreError::Closed) => {}
                Err(error) => return Err(error),
            }
            found = self.readers.read(|query| query.object(hash))?;
        }
        found.ok_or_else(|| StoreError::NotFound {
            what: "object",
            id: blake3::Hash::from_bytes(hash).to_hex().to_string(),
        })
    }
}

impl Store for SqliteStore {
    fn url(&self) -> &str {
        &self.url
    }

    fn submit(&self, unit: UnitOfWork) -> Result<Ticket, StoreError> {
        self.queue.submit(unit)
    }

    fn flush(&self) -> Result<(), StoreError> {
        self.queue.flush()?.wait().map(drop)
    }

    fn put_value(&self, value: Value) -> Result<StoredValue, StoreError> {
        store_value(self, value)
    }

    fn value(&self, stored: &StoredValue) -> Result<Value, StoreError> {
        match stored {
            StoredValue::Inline { kind, bytes } => Ok(Value::new(kind, bytes.as_slice())),
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
        self.progress.wait(after, timeout)
    }

    fn close(&self) -> Result<(), StoreError> {
        self.queue.close();
        // The last connection to close tidies the write-ahead log away: let that be the writer's.
        self.readers.close_idle();
        // Held while joining, so that whoever closes second waits for the end as well.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        match writer.take().map(JoinHandle::join) {
            None | Some(Ok(())) => Ok(()),
            Some(Err(_)) => Err(StoreError::Backend {
                doing: "closing the store".to_owned(),
                reason: "its writer panicked; what was not reported as durable is lost".to_owned(),
            }),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // Whoever wants to know how the writer ended calls `close`.
        let _ = self.close();
    }
}
