//! Executions: every step checked against its state machine and its lease.

use std::collections::{BTreeSet, HashMap};

use wtb_model::{
    AttemptOutcome, BatchId, ExecutionId, ExecutionRecord, ExecutionStatus, IllegalTransition,
    Timestamp,
};
use wtb_store::StoreError;

use super::batches::new_keys;
use super::counts::{CountChanges, place};
use super::execution_rows::flush_executions;
use super::staged::Staged;
use super::wanted::{Wanted, values_of};
use super::{Group, taken};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, integer};

/// An execution as those who change it need to know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Execution<'group> {
    /// What is written of one that is created.
    pub(super) created: Option<&'group ExecutionRecord>,
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
    /// The last outcome that was delivered.
    pub(super) outcome: Option<&'group AttemptOutcome>,
    pub(super) changed: bool,
}

impl Execution<'_> {
    /// Checks a step that is taken without an attempt: only the attempt itself, under its lease,
    /// moves an execution that is running.
    fn check_idle(&self, id: &ExecutionId, next: ExecutionStatus) -> Result<(), IllegalTransition> {
        if self.status == ExecutionStatus::Running {
            return Err(IllegalTransition {
                what: format!("execution {id}"),
                from: self.status.as_str(),
                to: next.as_str(),
                allowed: format!("`{next}` only with the end of its attempt"),
            });
        }
        self.status.check(next, format_args!("execution {id}")).map(drop)
    }
}

/// The executions that a group names, and those that run in batches which it claims.
#[derive(Debug, Default)]
pub(super) struct Executions<'group> {
    keys: HashMap<&'group str, i64>,
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
            executions.lock(connection, wanted, claimed)?;
        }
        let created = wanted.new_executions.iter().filter(|id| !executions.keys.contains_key(**id));
        let created: Vec<&str> = created.copied().collect();
        let keys = new_keys(connection, "executions", created.len())?;
        executions.keys.extend(created.into_iter().zip(keys));
        Ok(executions)
    }

    fn lock(
        &mut self,
        connection: &mut Connection,
        wanted: &Wanted<'group>,
        claimed: &BTreeSet<i64>,
    ) -> Result<(), Failure> {
        let mut sql = "SELECT key, id, batch, status, attempts, token, dead_letter, settled, \
                       started_at, finished_at FROM @.executions WHERE id = ANY($1)"
            .to_owned();
        let mut parameters = vec![Value::texts(wanted.executions.iter().copied())];
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
                outcome: None,
                changed: false,
            };
            let may_be_requeued = execution.batch.is_some_and(|batch| claimed.contains(&batch));
            if may_be_requeued || wanted.attempted.contains(id) {
                self.attempted.push(key);
            }
            self.rows.load(key, execution);
            if let Some(id) = wanted.executions.get(id) {
                self.keys.insert(id, key);
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
        let found = self.keys.get(id.as_str()).and_then(|key| Some((*key, self.rows.get(key)?)));
        found.ok_or_else(|| StoreError::NotFound { what: "execution", id: id.to_string() })
    }

    /// Replaces an execution.
    pub(super) fn set(&mut self, key: i64, execution: Execution<'group>) {
        self.rows.set(key, Execution { changed: true, ..execution });
    }

    /// The executions of a batch that run.
    pub(super) fn running(&self, batch: i64) -> Vec<(i64, Execution<'group>)> {
        let of_batch = self.rows.iter().filter(|(_, execution)| {
            execution.batch == Some(batch) && execution.status == ExecutionStatus::Running
        });
        of_batch.map(|(key, execution)| (*key, *execution)).collect()
    }

    pub(super) fn finish_idle(
        &mut self,
        id: &ExecutionId,
        status: ExecutionStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, execution) = self.find(id)?;
        execution.check_idle(id, status)?;
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
        for (_, execution) in self.rows.iter().filter(|(_, execution)| execution.changed) {
            if let Some(batch) = execution.batch {
                let row = changes.entry(batch).or_default();
                if let Some(before) = execution.counted {
                    row[place(before)] -= 1;
                }
                row[place(execution.status)] += 1;
            }
        }
        changes
    }

    pub(super) fn flush(&self, connection: &mut Connection) -> Result<(), Failure> {
        flush_executions(connection, self.rows.iter().filter(|(_, row)| row.changed))
    }
}

impl<'group> Group<'group> {
    pub(super) fn create_execution(
        &mut self,
        record: &'group ExecutionRecord,
    ) -> Result<(), StoreError> {
        let find = |id: &BatchId| self.batches.find(id).map(|(key, _)| key);
        let batch = record.batch.as_ref().map(find).transpose()?;
        self.add_execution(record, batch)
    }

    pub(super) fn add_execution(
        &mut self,
        record: &'group ExecutionRecord,
        batch: Option<i64>,
    ) -> Result<(), StoreError> {
        let doing = "writing an execution";
        self.objects.check(values_of(record))?;
        let key = match self.executions.keys.get(record.id.as_str()) {
            Some(key) if self.executions.rows.get(key).is_none() => *key,
            _ => return Err(taken(doing, &format!("execution {}", record.id))),
        };
        integer(record.seed, "a seed")?;
        integer(record.duration_us.unwrap_or_default(), "a duration")?;
        let execution = Execution {
            created: Some(record),
            batch,
            counted: None,
            status: record.status,
            attempts: record.attempts.into(),
            token: integer(record.token, "a token")?,
            dead_letter: record.dead_letter,
            settled: record.settled,
            started_at: record.started_at.map(Timestamp::as_micros),
            finished_at: record.finished_at.map(Timestamp::as_micros),
            outcome: None,
            changed: true,
        };
        self.executions.set(key, execution);
        Ok(())
    }

    pub(super) fn requeue_execution(&mut self, id: &ExecutionId) -> Result<(), StoreError> {
        let (key, execution) = self.executions.find(id)?;
        execution.check_idle(id, ExecutionStatus::Queued)?;
        let status = ExecutionStatus::Queued;
        let execution = Execution { status, dead_letter: false, settled: false, ..*execution };
        self.executions.set(key, execution);
        self.details.drop_scores(key);
        Ok(())
    }
}
