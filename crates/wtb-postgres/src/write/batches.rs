//! Batches: written and extended.

use std::collections::{BTreeSet, HashMap};

use wtb_model::{
    BatchId, BatchRecord, BatchSpec, BatchStatus, CaseRecord, ExecutionRecord, SessionId,
    StoredValue, Timestamp, VariantRecord,
};
use wtb_store::StoreError;

use super::batch_rows::{Next, flush_batches, flush_parts, next_positions};
use super::staged::{Added, Staged};
use super::wanted::{Wanted, values_of_case};
use super::{Group, taken};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::Value;

/// A batch as those who change it need to know it.
#[derive(Debug, Clone)]
pub(super) struct Batch<'group> {
    /// What is written of one that is created.
    pub(super) created: Option<&'group BatchRecord>,
    pub(super) status: BatchStatus,
    /// The session that it names, ended or not.
    pub(super) session: Option<String>,
    pub(super) spec: Option<&'group BatchSpec>,
    pub(super) given: Option<&'group StoredValue>,
    pub(super) started_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    pub(super) next: Next,
    pub(super) changed: bool,
}

/// The batches that a group names, and those of the executions that it names.
#[derive(Debug, Default)]
pub(super) struct Batches<'group> {
    keys: HashMap<&'group str, i64>,
    pub(super) rows: Staged<i64, Batch<'group>>,
    claimed: BTreeSet<i64>,
    variants: Added<(i64, i64, &'group VariantRecord)>,
    cases: Added<(i64, i64, &'group CaseRecord)>,
}

impl<'group> Batches<'group> {
    pub(super) fn load(
        connection: &mut Connection,
        wanted: &Wanted<'group>,
    ) -> Result<Self, Failure> {
        let mut batches = Self::default();
        if !wanted.batches.is_empty() || !wanted.executions.is_empty() {
            batches.lock(connection, wanted)?;
        }
        let extended: Vec<i64> =
            wanted.extended.iter().filter_map(|id| batches.keys.get(id).copied()).collect();
        for (key, next) in next_positions(connection, &extended)? {
            if let Some(batch) = batches.rows.get(&key) {
                let batch = Batch { next, ..batch.clone() };
                batches.rows.load(key, batch);
            }
        }
        let created = wanted.new_batches.iter().filter(|id| !batches.keys.contains_key(**id));
        let created: Vec<&str> = created.copied().collect();
        let keys = new_keys(connection, "batches", created.len())?;
        batches.keys.extend(created.into_iter().zip(keys));
        Ok(batches)
    }

    fn lock(
        &mut self,
        connection: &mut Connection,
        wanted: &Wanted<'group>,
    ) -> Result<(), Failure> {
        // The batch of an execution never changes, so that it can be looked up without a lock.
        let rows = connection.query(
            "SELECT key, id, status, session, started_at, finished_at FROM @.batches \
             WHERE id = ANY($1) OR key = ANY(ARRAY(\
                 SELECT batch FROM @.executions WHERE id = ANY($2) AND batch IS NOT NULL)) \
             ORDER BY key FOR NO KEY UPDATE",
            &[
                Value::texts(wanted.batches.iter().copied()),
                Value::texts(wanted.executions.iter().map(AsRef::as_ref)),
            ],
            "locking batches",
        )?;
        for row in &rows {
            let (key, id, status): (i64, &str, &str) = (get(row, 0)?, get(row, 1)?, get(row, 2)?);
            let status = BatchStatus::parse(status).ok_or_else(|| StoreError::Unreadable {
                what: format!("batch {id}"),
                reason: format!("status `{status}` is not known to this program"),
            })?;
            let batch = Batch {
                created: None,
                status,
                session: get(row, 3)?,
                spec: None,
                given: None,
                started_at: get(row, 4)?,
                finished_at: get(row, 5)?,
                next: Next::default(),
                changed: false,
            };
            self.rows.load(key, batch);
            if let Some(id) = wanted.batches.get(id) {
                self.keys.insert(id, key);
            }
            if wanted.claimed.contains(id) {
                self.claimed.insert(key);
            }
        }
        Ok(())
    }

    /// The sessions that the batches name.
    pub(super) fn owners(&self) -> impl Iterator<Item = String> {
        self.rows.iter().filter_map(|(_, batch)| batch.session.clone())
    }

    /// The batches that may be claimed.
    pub(super) fn claimed(&self) -> &BTreeSet<i64> {
        &self.claimed
    }

    /// Returns a batch and its key.
    pub(super) fn find(&self, id: &BatchId) -> Result<(i64, &Batch<'group>), StoreError> {
        let found = self.keys.get(id.as_str()).and_then(|key| Some((*key, self.rows.get(key)?)));
        found.ok_or_else(|| StoreError::NotFound { what: "batch", id: id.to_string() })
    }

    pub(super) fn set_spec(
        &mut self,
        id: &BatchId,
        spec: &'group BatchSpec,
    ) -> Result<i64, StoreError> {
        let (key, batch) = self.find(id)?;
        let batch = Batch { spec: Some(spec), changed: true, ..batch.clone() };
        self.rows.set(key, batch);
        Ok(key)
    }

    fn create(&mut self, record: &'group BatchRecord) -> Result<i64, StoreError> {
        let doing = "writing a batch";
        let key = match self.keys.get(record.id.as_str()) {
            Some(key) if self.rows.get(key).is_none() => *key,
            _ => return Err(taken(doing, &format!("batch {}", record.id))),
        };
        let batch = Batch {
            created: Some(record),
            status: record.status,
            session: record.session.as_ref().map(SessionId::to_string),
            spec: None,
            given: None,
            started_at: record.started_at.map(Timestamp::as_micros),
            finished_at: record.finished_at.map(Timestamp::as_micros),
            next: Next::default(),
            changed: true,
        };
        self.rows.set(key, batch);
        Ok(key)
    }

    fn append(&mut self, key: i64, variants: &'group [VariantRecord], cases: &'group [CaseRecord]) {
        let Some(batch) = self.rows.get(&key) else { return };
        let mut batch = batch.clone();
        for variant in variants {
            self.variants.push((key, batch.next.variant, variant));
            batch.next.variant += 1;
        }
        for case in cases {
            self.cases.push((key, batch.next.case, case));
            batch.next.case += 1;
        }
        self.rows.set(key, batch);
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept {
            self.rows.keep();
            self.variants.keep();
            self.cases.keep();
        } else {
            self.rows.undo();
            self.variants.undo();
            self.cases.undo();
        }
    }

    pub(super) fn flush(&self, connection: &mut Connection) -> Result<(), Failure> {
        flush_batches(connection, self.rows.iter())?;
        flush_parts(connection, self.variants.iter().copied(), self.cases.iter().copied())
    }
}

impl<'group> Group<'group> {
    pub(super) fn create_batch(
        &mut self,
        batch: &'group BatchRecord,
        variants: &'group [VariantRecord],
        cases: &'group [CaseRecord],
        executions: &'group [ExecutionRecord],
    ) -> Result<(), StoreError> {
        let key = self.batches.create(batch)?;
        self.append(&batch.id, key, variants, cases, executions)
    }

    pub(super) fn extend_batch(
        &mut self,
        batch: &BatchId,
        spec: &'group BatchSpec,
        variants: &'group [VariantRecord],
        cases: &'group [CaseRecord],
        executions: &'group [ExecutionRecord],
    ) -> Result<(), StoreError> {
        let key = self.batches.set_spec(batch, spec)?;
        self.append(batch, key, variants, cases, executions)
    }

    fn append(
        &mut self,
        id: &BatchId,
        key: i64,
        variants: &'group [VariantRecord],
        cases: &'group [CaseRecord],
        executions: &'group [ExecutionRecord],
    ) -> Result<(), StoreError> {
        for case in cases {
            self.objects.check(values_of_case(case))?;
        }
        self.batches.append(key, variants, cases);
        for execution in executions {
            if execution.batch.as_ref() != Some(id) {
                return Err(StoreError::Backend {
                    doing: format!("writing execution {} of batch {id}", execution.id),
                    reason: "it belongs to another batch, or to none".to_owned(),
                });
            }
            self.add_execution(execution, Some(key))?;
        }
        Ok(())
    }
}

/// Takes keys for rows that are inserted later in the transaction; those of a transaction that is
/// undone are not used again.
pub(super) fn new_keys(
    connection: &mut Connection,
    table: &str,
    count: usize,
) -> Result<Vec<i64>, Failure> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT nextval(pg_get_serial_sequence('@.{table}', 'key')) FROM generate_series(1, $1)"
    );
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    let rows = connection.query(&sql, &[count.into()], "taking keys")?;
    rows.iter().map(|row| get(row, 0)).collect()
}
