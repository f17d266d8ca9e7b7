//! Attempts: started under a new token, ended under the live one.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::{AttemptStatus, ExecutionId, ExecutionStatus, WorkspaceRecord};

use super::Transaction;
use crate::checkpoint::Lease;
use crate::codec::{encode_list, encode_optional, encode_optional_json, encode_value};
use crate::sqlite::errors::While;
use crate::{AttemptStart, Change, StoreError};

impl Transaction<'_> {
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
             started_at = ?3, finished_at = NULL, lineages = ?4 WHERE key = ?1",
            params![live.key, start.token, start.at.as_micros(), start.lineages],
            "starting an attempt",
        )?;
        self.count_step(&live, ExecutionStatus::Running);
        Ok(())
    }

    pub(super) fn revoke_lease(
        &mut self,
        execution: &ExecutionId,
        token: u64,
    ) -> Result<(), StoreError> {
        self.live(execution)?;
        self.change(
            "UPDATE executions SET token = ?2 WHERE id = ?1 AND status = 'queued' AND token < ?2",
            params![execution.as_str(), token],
            "taking an attempt back",
        )
        .map(drop)
    }

    pub(super) fn put_workspace(
        &mut self,
        number: u32,
        lease: &Lease,
        workspace: &WorkspaceRecord,
    ) -> Result<(), StoreError> {
        let what = || format!("the workspace of attempt {number}");
        self.check_lease(Some(lease), what)?;
        let WorkspaceRecord { rung, inputs, directory, files } = workspace;
        self.check_objects([Some(files)])?;
        let live = self.live(&lease.execution)?;
        let key = self.attempt_key(live.key, number, lease.token)?;
        let key = key.ok_or_else(|| StoreError::Fenced { what: what(), token: lease.token })?;
        self.change(
            "UPDATE attempts SET rung = ?2, inputs = ?3, directory = ?4, found = ?5 WHERE key = ?1",
            params![key, rung, inputs, directory, encode_value(files)],
            "writing an attempt's workspace",
        )
        .map(drop)
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
            handed_ahead,
            at,
        } = change
        else {
            return Ok(());
        };
        let live = self.live(execution)?;
        let cancels = *handed_ahead && *next == ExecutionStatus::Cancelled;
        if cancels && live.status == ExecutionStatus::Queued && live.token < *token {
            self.revoke_lease(execution, *token)?;
            return self.finish_execution(execution, *next, *at);
        }
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
            "UPDATE attempts SET status = ?2, finished_at = ?3, error = ?4, stdout = ?5, \
             stderr = ?6, files = ?7 WHERE key = ?1",
            params![
                key,
                status.as_str(),
                at.as_micros(),
                encode_optional_json(outcome.error.as_ref())?,
                encode_optional(outcome.stdout.as_ref()),
                encode_optional(outcome.stderr.as_ref()),
                encode_optional(outcome.files.as_ref()),
            ],
            "ending an attempt",
        )?;
        self.change(
            "UPDATE executions SET status = ?2, dead_letter = ?3, settled = ?4, finished_at = ?5, \
             output = ?6, state = ?7, interrupts = ?8, error = ?9, usage = ?10, warnings = ?11, \
             duration_us = ?12, outstanding = ?13 WHERE key = ?1",
            params![
                live.key,
                next.as_str(),
                *dead_letter && !execution.is_continuation(),
                settled,
                next.is_final().then_some(at.as_micros()),
                encode_optional(outcome.output.as_ref()),
                encode_optional(outcome.state.as_ref()),
                encode_optional(outcome.interrupts.as_ref()),
                encode_optional_json(outcome.error.as_ref())?,
                encode_optional_json(outcome.usage.as_ref())?,
                encode_list(&outcome.warnings)?,
                outcome.duration_us,
                !next.is_final(),
            ],
            "ending an attempt",
        )?;
        self.write_details(live.key, key, outcome)?;
        self.count_step(&live, *next);
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
}
