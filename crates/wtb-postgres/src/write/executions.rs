//! Executions in memory: locked and read, found, ended without an attempt, counted.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use wtb_model::{AttemptOutcome, ExecutionId, ExecutionRecord, ExecutionStatus, Timestamp};
use wtb_store::StoreError;

use super::batches::new_keys;
use super::counts::{CountChanges, place};
use super::execution_rows::flush_executions;
use super::staged::Staged;
use super::wanted::Wanted;
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, integer};

/// An execution as those who change it need to know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Execution<'group> {
    /// What is written of one that is created, and the key of the batch that is its origin.
    pub(super) created: Option<(&'group ExecutionRecord, Option<i64>)>,
    pub(super) batch: Option<i64>,
    /// Its status in the database; `None` for one that is created.
    pub(super) counted: Option<ExecutionStatus>,
    pub(super) status: ExecutionStatus,
    pub(super) attempts: i64,
    pub(super) token: i64,
    pub(super) dead_letter: bool,
    pub(super) settled: bool,
    pub(super) started_at: Option<i64>,
    pub(super) finished_at: Option<i64>,
    pub(super) lineages: i64,
    pub(super) from_head: bool,
    pub(super) outcome: Outcome<'group>,
    pub(super) fate: Fate,
}

/// What a group does to an execution's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Unchanged,
    Changed,
    /// It gives way to its cell: it is not there any more.
    Removed,
}

/// What becomes of the outcome in an execution's row.
#[derive(Debug, Clone, Copy)]
pub(super) enum Outcome<'group> {
    /// It stays as it is, or as it was created.
    Kept,
    /// This one was delivered.
    Delivered(&'group AttemptOutcome),
    /// It is dropped.
    Dropped,
}

/// The executions that a group names, and those that run in batches which it claims.
#[derive(Debug, Default)]
pub(super) struct Executions<'group> {
    /// The keys of each id: that in the database, and one for each time that it is to be created. At
    /// most one of them has a row that was not removed.
    keys: HashMap<Cow<'group, str>, Vec<i64>>,
    rows: Staged<i64, Execution<'group>>,
    /// Those whose attempts have to be known.
    attempted: Vec<i64>,
}

impl<'group> Executions<'group> {
    pub(super) fn load(
        connection: &mut Connection,
        wanted: &Wanted<'group>,
        claimed: &BTreeSet<i64>,
    ) -> Result<Self, Failure> {
        let mut executions = Self::default();
        if !wanted.executions.is_empty() || !claimed.is_empty() {
            let ids = wanted.executions.iter().map(AsRef::as_ref);
            executions.lock(connection, wanted, ids.collect(), claimed)?;
            // What a cell went on to while its lock was waited for is not seen by the statement that
            // waited. Whoever writes it holds the cell's lock, so that nothing comes from now on.
            let continued = wanted.continued.iter().map(String::as_str);
            let missed: Vec<_> =
                continued.filter(|id| !executions.keys.contains_key(*id)).collect();
            if !missed.is_empty() {
                executions.lock(connection, wanted, missed, &BTreeSet::new())?;
            }
        }
        let keys = new_keys(connection, "executions", wanted.new_executions.len())?;
        for (id, key) in wanted.new_executions.iter().zip(keys) {
            executions.keys.entry(Cow::Borrowed(id)).or_default().push(key);
        }
        Ok(executions)
    }

    fn lock(
        &mut self,
        connection: &mut Connection,
        wanted: &Wanted<'group>,
        ids: Vec<&str>,
        claimed: &BTreeSet<i64>,
    ) -> Result<(), Failure> {
        let mut sql = "SELECT key, id, batch, status, attempts, token, dead_letter, settled, \
                       started_at, finished_at, lineages, from_head \
                       FROM @.executions WHERE id = ANY($1)"
            .to_owned();
        let mut parameters = vec![Value::texts(ids)];
        if !claimed.is_empty() {
            sql.push_str(" OR (batch = ANY($2) AND status = 'running')");
            parameters.push(Value::ints(claimed.iter().copied()));
        }
        sql.push_str(" ORDER BY key FOR NO KEY UPDATE");
        for row in &connection.query(&sql, &parameters, "locking executions")? {
            let (key, id, status): (i64, &str, &str) = (get(row, 0)?, get(row, 1)?, get(row, 3)?);
            let status = ExecutionStatus::parse(status).ok_or_else(|| StoreError::Unreadable {
                what: format!("execution {id}"),
                reason: format!("status `{status}` is not known to this program"),
            })?;
            let execution = Execution {
                created: None,
                batch: get(row, 2)?,
                counted: Some(status),
                status,
                attempts: get(row, 4)?,
                token: get(row, 5)?,
                dead_letter: get(row, 6)?,
                settled: get(row, 7)?,
                started_at: get(row, 8)?,
                finished_at: get(row, 9)?,
                lineages: get(row, 10)?,
                from_head: get(row, 11)?,
                outcome: Outcome::Kept,
                fate: Fate::Unchanged,
            };
            let may_be_requeued = execution.batch.is_some_and(|batch| claimed.contains(&batch));
            if may_be_requeued || wanted.attempted.contains(id) {
                self.attempted.push(key);
            }
            self.rows.load(key, execution);
            if let Some(id) = wanted.executions.get(id) {
                self.keys.insert(id.clone(), vec![key]);
            }
        }
        Ok(())
    }

    /// Those whose attempts have to be known.
    pub(super) fn attempted(&self) -> &[i64] {
        &self.attempted
    }

    /// Returns an execution and its key.
    pub(super) fn find(&self, id: &ExecutionId) -> Result<(i64, &Execution<'group>), StoreError> {
        self.find_any(id)
            .ok_or_else(|| StoreError::NotFound { what: "execution", id: id.to_string() })
    }

    /// Returns an execution and its key, if it is there.
    pub(super) fn find_any(&self, id: &ExecutionId) -> Option<(i64, &Execution<'group>)> {
        self.keys.get(id.as_str())?.iter().find_map(|key| {
            let row = self.rows.get(key).filter(|row| row.fate != Fate::Removed)?;
            Some((*key, row))
        })
    }

    /// Returns a key for an execution that is created.
    pub(super) fn unused_key(&self, id: &ExecutionId) -> Option<i64> {
        let mut keys = self.keys.get(id.as_str())?.iter().copied();
        keys.find(|key| self.rows.get(key).is_none())
    }

    /// Replaces an execution.
    pub(super) fn set(&mut self, key: i64, execution: Execution<'group>) {
        self.rows.set(key, Execution { fate: Fate::Changed, ..execution });
    }

    /// Removes an execution.
    pub(super) fn remove(&mut self, key: i64, execution: Execution<'group>) {
        self.rows.set(key, Execution { fate: Fate::Removed, ..execution });
    }

    /// The executions of a batch that run.
    pub(super) fn running(&self, batch: i64) -> Vec<(i64, Execution<'group>)> {
        let of_batch = self.rows.iter().filter(|(_, execution)| {
            execution.batch == Some(batch)
                && execution.status == ExecutionStatus::Running
                && execution.fate != Fate::Removed
        });
        of_batch.map(|(key, execution)| (*key, *execution)).collect()
    }

    /// Refuses what was decided upon when an execution was in another state.
    pub(super) fn expect_state(
        &self,
        id: &ExecutionId,
        status: ExecutionStatus,
        token: u64,
        finished_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let expected = (status, token, finished_at.map(Timestamp::as_micros));
        let found = self.find_any(id).map(|(_, execution)| {
            (execution.status, execution.token.unsigned_abs(), execution.finished_at)
        });
        if found == Some(expected) {
            return Ok(());
        }
        Err(StoreError::Moved { what: format!("execution {id}") })
    }

    /// Takes an attempt back that has not started under its lease; returns whether there is one.
    pub(super) fn revoke_lease(
        &mut self,
        id: &ExecutionId,
        token: u64,
    ) -> Result<bool, StoreError> {
        let token = integer(token, "a token")?;
        let (key, execution) = self.find(id)?;
        let is_handed = execution.status == ExecutionStatus::Queued && execution.token < token;
        if is_handed {
            let execution = Execution { token, ..*execution };
            self.set(key, execution);
        }
        Ok(is_handed)
    }

    pub(super) fn finish_idle(
        &mut self,
        id: &ExecutionId,
        status: ExecutionStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, execution) = self.find(id)?;
        execution.status.check_idle(status, format_args!("execution {id}"))?;
        // Evaluators have no say about what was stopped: it is settled as it is.
        let finished_at = Some(at.as_micros());
        let execution = Execution { status, finished_at, settled: true, ..*execution };
        self.set(key, execution);
        Ok(())
    }

    /// Settles an execution that evaluators have had their say about.
    pub(super) fn settle_scored(&mut self, key: i64) {
        if let Some(execution) = self.rows.get(&key).filter(|execution| !execution.settled) {
            let execution = Execution { settled: true, ..*execution };
            self.set(key, execution);
        }
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept { self.rows.keep() } else { self.rows.undo() }
    }

    /// How the counts of the batches change.
    pub(super) fn count_changes(&self) -> CountChanges {
        let mut changes = CountChanges::new();
        for execution in self.rows.iter().map(|(_, execution)| execution) {
            if execution.fate == Fate::Unchanged {
                continue;
            }
            if let Some(batch) = execution.batch {
                let row = changes.entry(batch).or_default();
                if let Some(before) = execution.counted {
                    row[place(before)] -= 1;
                }
                if execution.fate == Fate::Changed {
                    row[place(execution.status)] += 1;
                }
            }
        }
        changes
    }

    pub(super) fn flush(&self, connection: &mut Connection) -> Result<(), Failure> {
        let changed = self.rows.iter().filter(|(_, row)| row.fate == Fate::Changed);
        flush_executions(connection, changed)
    }

    /// The keys of those that are not there any more; some of them never came to be.
    pub(super) fn removed(&self) -> BTreeSet<i64> {
        let removed = self.rows.iter().filter(|(_, row)| row.fate == Fate::Removed);
        removed.map(|(key, _)| *key).collect()
    }
}
