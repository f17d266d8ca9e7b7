//! Executions and their attempts: every step checked against its state machine and its lease.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::{
    AttemptStatus, BatchId, ExecutionId, ExecutionRecord, ExecutionStatus, IllegalTransition,
    Timestamp,
};

use super::sessions::Owner;
use super::{Keyed, Transaction};
use crate::codec::{encode_list, encode_optional, encode_optional_json};
use crate::sqlite::errors::While;
use crate::{AttemptStart, Change, StoreError};

/// An execution as those who change it need to know it.
pub(super) struct Live {
    key: i64,
    batch: Option<i64>,
    /// Who owns its batch; nobody, if it has none.
    owner: Owner,
    status: ExecutionStatus,
    token: u64,
}

impl Live {
    /// Whether it has this status under this token.
    pub(super) fn is_under(&self, status: ExecutionStatus, token: u64) -> bool {
        self.status == status && self.token == token
    }

    /// Checks a step that is taken without an attempt: only the attempt itself, under its lease,
    /// moves an execution that is running.
    fn check_idle(
        &self,
        execution: &ExecutionId,
        next: ExecutionStatus,
    ) -> Result<(), IllegalTransition> {
        if self.status == ExecutionStatus::Running {
            return Err(IllegalTransition {
                what: format!("execution {execution}"),
                from: self.status.as_str(),
                to: next.as_str(),
                allowed: format!("`{next}` only with the end of its attempt"),
            });
        }
        self.status.check(next, format_args!("execution {execution}")).map(drop)
    }
}

impl Transaction<'_> {
    pub(super) fn create_execution(
        &mut self,
        execution: &ExecutionRecord,
    ) -> Result<(), StoreError> {
        let batch = execution.batch.as_ref().map(BatchId::as_str);
        let batch = batch.map(|id| self.key(Keyed::Batch, id)).transpose()?;
        self.insert_execution(execution, batch)
    }

    pub(super) fn insert_execution(
        &mut self,
        execution: &ExecutionRecord,
        batch: Option<i64>,
    ) -> Result<(), StoreError> {
        let e = execution;
        self.check_objects([&e.input, &e.output, &e.state, &e.interrupts].map(Option::as_ref))?;
        self.change(
            "INSERT INTO executions (id, batch, workflow, variant, case_id, repeat, variant_index, \
             case_index, seed, status, attempts, token, dead_letter, settled, created_at, \
             started_at, finished_at, duration_us, input, output, state, interrupts, error, usage, \
             warnings) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
             ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
            params![
                e.id.as_str(),
                batch,
                e.workflow,
                e.variant,
                e.case_id,
                e.repeat,
                e.variant_index,
                e.case_index,
                e.seed,
                e.status.as_str(),
                e.attempts,
                e.token,
                e.dead_letter,
                e.settled,
                e.created_at.as_micros(),
                e.started_at.map(Timestamp::as_micros),
                e.finished_at.map(Timestamp::as_micros),
                e.duration_us,
                encode_optional(e.input.as_ref()),
                encode_optional(e.output.as_ref()),
                encode_optional(e.state.as_ref()),
                encode_optional(e.interrupts.as_ref()),
                encode_optional_json(e.error.as_ref())?,
                encode_optional_json(e.usage.as_ref())?,
                encode_list(&e.warnings)?,
            ],
            "writing an execution",
        )?;
        if let Some(batch) = batch {
            self.counts.add(batch, e.status, 1);
        }
        Ok(())
    }

    pub(super) fn start_attempt(&mut self, start: &AttemptStart) -> Result<(), StoreError> {
        let live = self.live(&start.execution)?;
        let what = || format!("the start of attempt {} of {}", start.attempt, start.execution);
        // First: whatever else is wrong, that the batch was taken over is why.
        if live.batch.is_some() {
            live.owner.check(Some(&start.session), what)?;
        }
        live.status
            .check(ExecutionStatus::Running, format_args!("execution {}", start.execution))?;
        if start.token <= live.token {
            return Err(StoreError::Fenced { what: what(), token: start.token });
        }
        self.change(
            "INSERT INTO attempts (execution, number, token, worker, status, started_at) \
             VALUES (?1, ?2, ?3, ?4, 'running', ?5)",
            params![live.key, start.attempt, start.token, start.worker, start.at.as_micros()],
            "starting an attempt",
        )?;
        self.change(
            "UPDATE executions SET status = 'running', attempts = attempts + 1, token = ?2, \
             started_at = ?3, finished_at = NULL WHERE key = ?1",
            params![live.key, start.token, start.at.as_micros()],
            "starting an attempt",
        )?;
        self.count_step(&live, ExecutionStatus::Running);
        Ok(())
    }

    /// Applies [`Change::FinishAttempt`], the only change it is called with.
    pub(super) fn finish_attempt(&mut self, change: &Change) -> Result<(), StoreError> {
        let Change::FinishAttempt {
            execution,
            attempt,
            token,
            status,
            next,
            dead_letter,
            outcome,
            settled,
            at,
        } = change
        else {
            return Ok(());
        };
        let live = self.live(execution)?;
        let fenced = || StoreError::Fenced {
            what: format!("the end of attempt {attempt} of {execution}"),
            token: *token,
        };
        if live.status != ExecutionStatus::Running || live.token != *token {
            return Err(fenced());
        }
        live.status.check(*next, format_args!("execution {execution}"))?;
        AttemptStatus::Running
            .check(*status, format_args!("attempt {attempt} of execution {execution}"))?;
        let key = self.attempt_key(live.key, *attempt, *token)?.ok_or_else(fenced)?;
        self.check_outcome(outcome)?;
        self.change(
            "UPDATE attempts SET status = ?2, finished_at = ?3, error = ?4 WHERE key = ?1",
            params![
                key,
                status.as_str(),
                at.as_micros(),
                encode_optional_json(outcome.error.as_ref())?,
            ],
            "ending an attempt",
        )?;
        self.change(
            "UPDATE executions SET status = ?2, dead_letter = ?3, settled = ?4, finished_at = ?5, \
             output = ?6, state = ?7, interrupts = ?8, error = ?9, usage = ?10, warnings = ?11, \
             duration_us = ?12 WHERE key = ?1",
            params![
                live.key,
                next.as_str(),
                dead_letter,
                settled,
                next.is_final().then_some(at.as_micros()),
                encode_optional(outcome.output.as_ref()),
                encode_optional(outcome.state.as_ref()),
                encode_optional(outcome.interrupts.as_ref()),
                encode_optional_json(outcome.error.as_ref())?,
                encode_optional_json(outcome.usage.as_ref())?,
                encode_list(&outcome.warnings)?,
                outcome.duration_us,
            ],
            "ending an attempt",
        )?;
        self.write_details(live.key, key, outcome)?;
        self.count_step(&live, *next);
        Ok(())
    }

    pub(super) fn finish_execution(
        &mut self,
        execution: &ExecutionId,
        status: ExecutionStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let live = self.live(execution)?;
        live.check_idle(execution, status)?;
        // Evaluators have no say about what was stopped: it is settled as it is.
        self.change(
            "UPDATE executions SET status = ?2, finished_at = ?3, settled = 1 WHERE key = ?1",
            params![live.key, status.as_str(), at.as_micros()],
            "ending an execution",
        )?;
        self.count_step(&live, status);
        Ok(())
    }

    pub(super) fn requeue_execution(&mut self, execution: &ExecutionId) -> Result<(), StoreError> {
        let live = self.live(execution)?;
        live.check_idle(execution, ExecutionStatus::Queued)?;
        self.change(
            "UPDATE executions SET status = 'queued', dead_letter = 0, settled = 0 WHERE key = ?1",
            [live.key],
            "requeueing an execution",
        )?;
        self.change("DELETE FROM scores WHERE execution = ?1", [live.key], "dropping scores")?;
        self.count_step(&live, ExecutionStatus::Queued);
        Ok(())
    }

    fn attempt_key(
        &self,
        execution: i64,
        number: u32,
        token: u64,
    ) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT key FROM attempts WHERE execution = ?1 AND number = ?2 AND token = ?3";
        self.connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement.query_row(params![execution, number, token], |row| row.get(0)).optional()
            })
            .while_("reading an attempt")
    }

    pub(super) fn live(&self, execution: &ExecutionId) -> Result<Live, StoreError> {
        // Not a join: of one whose plan may depend on a parameter SQLite makes a new plan each time.
        let sql = "SELECT key, batch, \
                   (SELECT CASE WHEN s.ended_at IS NULL THEN b.session END FROM batches b \
                    LEFT JOIN sessions s ON s.id = b.session WHERE b.key = executions.batch), \
                   status, token FROM executions WHERE id = ?1";
        let found = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| {
                statement
                    .query_row([execution.as_str()], |row| {
                        let owner = Owner(row.get(2)?);
                        let status = ExecutionStatus::parse(row.get_ref(3)?.as_str()?);
                        Ok((row.get(0)?, row.get(1)?, owner, status, row.get(4)?))
                    })
                    .optional()
            })
            .while_("reading an execution")?;
        match found {
            Some((key, batch, owner, Some(status), token)) => {
                Ok(Live { key, batch, owner, status, token })
            }
            Some(_) => Err(StoreError::Unreadable {
                what: format!("execution {execution}"),
                reason: "its status is not known to this program".to_owned(),
            }),
            None => Err(StoreError::NotFound { what: "execution", id: execution.to_string() }),
        }
    }

    fn count_step(&mut self, live: &Live, next: ExecutionStatus) {
        if let Some(batch) = live.batch {
            self.counts.add(batch, live.status, -1);
            self.counts.add(batch, next, 1);
        }
    }
}
