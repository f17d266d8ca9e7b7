//! Executions: created, and moved without an attempt; every step checked against its state machine.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::{BatchId, ExecutionId, ExecutionRecord, ExecutionStatus, Timestamp};

use super::Transaction;
use super::sessions::Owner;
use crate::codec::{encode_list, encode_optional, encode_optional_json};
use crate::sqlite::errors::While;
use crate::{StoreError, check_goes_on};

/// An execution as those who change it need to know it.
pub(super) struct Live {
    pub(super) key: i64,
    pub(super) batch: Option<i64>,
    /// Who owns its batch; nobody, if it has none.
    pub(super) owner: Owner,
    pub(super) status: ExecutionStatus,
    pub(super) token: u64,
}

impl Live {
    /// Whether it has this status under this token.
    pub(super) fn is_under(&self, status: ExecutionStatus, token: u64) -> bool {
        self.status == status && self.token == token
    }
}

impl Transaction<'_> {
    pub(super) fn create_execution(
        &mut self,
        execution: &ExecutionRecord,
    ) -> Result<(), StoreError> {
        let batch = self.optional_batch_key(execution.batch.as_ref())?;
        self.insert_execution(execution, batch)
    }

    fn optional_batch_key(&self, id: Option<&BatchId>) -> Result<Option<i64>, StoreError> {
        id.map(|id| self.batch_key(id)).transpose()
    }

    pub(super) fn insert_execution(
        &mut self,
        execution: &ExecutionRecord,
        batch: Option<i64>,
    ) -> Result<(), StoreError> {
        let e = execution;
        self.check_objects([&e.input, &e.output, &e.state, &e.interrupts].map(Option::as_ref))?;
        let origin = self.optional_batch_key(e.origin.as_ref())?;
        if e.id.is_continuation() {
            let cell = self.live(&e.id.known())?;
            check_goes_on(e, cell.status, cell.token, self.find_live(&e.id)?.is_some())?;
        }
        self.change(
            "INSERT INTO executions (id, batch, workflow, variant, case_id, repeat, variant_index, \
             case_index, seed, status, attempts, token, dead_letter, settled, created_at, \
             started_at, finished_at, duration_us, input, output, state, interrupts, error, usage, \
             warnings, parent, origin, lineages, from_head, front, outstanding) VALUES (?1, ?2, ?3, ?4, ?5, ?6, \
             ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, \
             ?25, ?26, ?27, ?28, ?29, ?30, ?31)",
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
                e.parent.as_ref().map(ExecutionId::as_str),
                origin,
                e.lineages,
                e.from_head,
                encode_optional_json(e.front.as_ref())?,
                !e.status.is_final(),
            ],
            "writing an execution",
        )?;
        if let Some(batch) = batch {
            self.counts.add(batch, e.status, 1);
        }
        Ok(())
    }

    pub(super) fn expect_head(
        &self,
        execution: &ExecutionId,
        lineages: u32,
        checkpoint: Option<&str>,
    ) -> Result<(), StoreError> {
        // The plus keeps SQLite from looking for it at the end of all checkpoints, as in `read`.
        let sql = "SELECT 1 FROM executions WHERE id = ?1 AND lineages = ?2 AND (?3 IS NULL OR ?3 = \
                   (SELECT c.id FROM checkpoints c WHERE c.sequence = \
                   (SELECT MAX(+m.sequence) FROM checkpoints m WHERE m.lineage = \
                   (SELECT key FROM lineages WHERE thread = ?4 AND namespace = ''))))";
        let parameters =
            params![execution.as_str(), lineages, checkpoint, execution.thread(lineages)];
        self.expect(execution, sql, parameters)
    }

    pub(super) fn expect_state(
        &self,
        execution: &ExecutionId,
        status: ExecutionStatus,
        token: u64,
        finished_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let sql = "SELECT 1 FROM executions \
                   WHERE id = ?1 AND status = ?2 AND token = ?3 AND finished_at IS ?4";
        let finished_at = finished_at.map(Timestamp::as_micros);
        let parameters = params![execution.as_str(), status.as_str(), token, finished_at];
        self.expect(execution, sql, parameters)
    }

    /// Refuses what was decided upon when an execution was otherwise: when a query finds nothing.
    fn expect(
        &self,
        execution: &ExecutionId,
        sql: &str,
        parameters: impl rusqlite::Params,
    ) -> Result<(), StoreError> {
        let is_so = self
            .connection
            .prepare_cached(sql)
            .and_then(|mut statement| statement.exists(parameters))
            .while_("looking where an execution stands")?;
        if is_so {
            return Ok(());
        }
        Err(StoreError::Moved { what: format!("execution {execution}") })
    }

    pub(super) fn finish_execution(
        &mut self,
        execution: &ExecutionId,
        status: ExecutionStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let live = self.live(execution)?;
        live.status.check_idle(status, format_args!("execution {execution}"))?;
        // Evaluators have no say about what was stopped: it is settled as it is.
        self.change(
            "UPDATE executions SET status = ?2, outstanding = 0, finished_at = ?3, settled = 1 \
             WHERE key = ?1",
            params![live.key, status.as_str(), at.as_micros()],
            "ending an execution",
        )?;
        self.count_step(&live, status);
        Ok(())
    }

    pub(super) fn requeue_execution(
        &mut self,
        execution: &ExecutionId,
        from_head: bool,
    ) -> Result<(), StoreError> {
        let live = self.live(execution)?;
        let continued = self.continuation(execution, &live)?;
        self.change(
            "UPDATE executions SET status = 'queued', outstanding = 1, dead_letter = 0, settled = 0, \
             from_head = ?2 WHERE key = ?1",
            params![live.key, from_head],
            "requeueing an execution",
        )?;
        self.drop_scores(live.key)?;
        self.count_step(&live, ExecutionStatus::Queued);
        continued.map_or(Ok(()), |continued| self.replace_continuation(&live, &continued))
    }

    pub(super) fn place_execution(
        &mut self,
        execution: &ExecutionId,
        lineages: u32,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let live = self.live(execution)?;
        let paused = ExecutionStatus::Paused;
        live.status.check_idle(paused, format_args!("execution {execution}"))?;
        self.change(
            "UPDATE executions SET status = 'paused', outstanding = 0, lineages = ?2, from_head = 1, \
             dead_letter = 0, settled = 1, finished_at = ?3, duration_us = NULL, output = NULL, \
             state = NULL, interrupts = NULL, error = NULL, usage = NULL, warnings = '[]' \
             WHERE key = ?1",
            params![live.key, lineages, at.as_micros()],
            "placing an execution",
        )?;
        self.drop_scores(live.key)?;
        self.count_step(&live, paused);
        Ok(())
    }

    /// Returns what a cell that is to be requeued went on to by itself, once both may take the step.
    fn continuation(
        &self,
        execution: &ExecutionId,
        live: &Live,
    ) -> Result<Option<Live>, StoreError> {
        let queued = ExecutionStatus::Queued;
        live.status.check_idle(queued, format_args!("execution {execution}"))?;
        if execution.is_continuation() {
            return Ok(None);
        }
        let continued = self.find_live(&execution.continuation())?;
        if let Some(continued) = &continued {
            continued.status.check_gives_way(queued, format_args!("execution {execution}"))?;
        }
        Ok(continued)
    }

    /// Removes what a cell went on to by itself. The cell takes over how far lineages, attempts and
    /// tokens are numbered, so that no number is used twice.
    fn replace_continuation(&mut self, cell: &Live, continued: &Live) -> Result<(), StoreError> {
        let doing = "replacing what a cell went on to";
        self.change(
            "UPDATE executions SET lineages = MAX(executions.lineages, c.lineages), \
             attempts = MAX(executions.attempts, c.attempts), \
             token = MAX(executions.token, c.token) \
             FROM executions c WHERE executions.key = ?1 AND c.key = ?2",
            [cell.key, continued.key],
            doing,
        )?;
        let nodes = self.change(
            "DELETE FROM nodes WHERE attempt IN (SELECT key FROM attempts WHERE execution = ?1)",
            [continued.key],
            doing,
        )?;
        self.drop_scores(continued.key)?;
        let sql = "DELETE FROM attempts WHERE execution = ?1";
        let attempts = self.change(sql, [continued.key], doing)?;
        self.change("DELETE FROM executions WHERE key = ?1", [continued.key], doing)?;
        if let Some(batch) = continued.batch {
            self.counts.add(batch, continued.status, -1);
        }
        self.count_dropped(nodes + attempts + 1)
    }

    fn drop_scores(&self, execution: i64) -> Result<(), StoreError> {
        let sql = "DELETE FROM scores WHERE execution = ?1";
        self.change(sql, [execution], "dropping scores").map(drop)
    }

    pub(super) fn live(&self, execution: &ExecutionId) -> Result<Live, StoreError> {
        self.find_live(execution)?
            .ok_or_else(|| StoreError::NotFound { what: "execution", id: execution.to_string() })
    }

    fn find_live(&self, execution: &ExecutionId) -> Result<Option<Live>, StoreError> {
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
                Ok(Some(Live { key, batch, owner, status, token }))
            }
            Some(_) => Err(StoreError::Unreadable {
                what: format!("execution {execution}"),
                reason: "its status is not known to this program".to_owned(),
            }),
            None => Ok(None),
        }
    }

    pub(super) fn count_step(&mut self, live: &Live, next: ExecutionStatus) {
        if let Some(batch) = live.batch {
            self.counts.add(batch, live.status, -1);
            self.counts.add(batch, next, 1);
        }
    }
}
