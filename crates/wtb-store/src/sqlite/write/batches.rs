//! Batches: written, extended, claimed, released, moved from state to state.

use rusqlite::params;
use wtb_model::{
    BatchId, BatchRecord, BatchSpec, BatchStatus, CaseRecord, ExecutionRecord, ExecutionStatus,
    SessionId, StoredValue, Timestamp, VariantRecord,
};

use super::Transaction;
use crate::StoreError;
use crate::codec::{encode_json, encode_list, encode_optional, encode_value};
use crate::sqlite::errors::While;

impl Transaction<'_> {
    pub(super) fn create_batch(
        &mut self,
        batch: &BatchRecord,
        variants: &[VariantRecord],
        cases: &[CaseRecord],
        executions: &[ExecutionRecord],
    ) -> Result<(), StoreError> {
        self.change(
            "INSERT INTO batches (id, name, workflow, reference, status, spec, session, \
             created_at, started_at, finished_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
            params![
                batch.id.as_str(),
                batch.name,
                batch.workflow,
                batch.reference,
                batch.status.as_str(),
                encode_json(&batch.spec)?,
                batch.session.as_ref().map(SessionId::as_str),
                batch.created_at.as_micros(),
                batch.started_at.map(Timestamp::as_micros),
                batch.finished_at.map(Timestamp::as_micros),
            ],
            "writing a batch",
        )?;
        let key = self.connection.last_insert_rowid();
        self.change("INSERT INTO batch_counts (batch) VALUES (?1)", [key], "writing a batch")?;
        self.append(&batch.id, key, variants, cases, executions)
    }

    pub(super) fn extend_batch(
        &mut self,
        batch: &BatchId,
        spec: &BatchSpec,
        variants: &[VariantRecord],
        cases: &[CaseRecord],
        executions: &[ExecutionRecord],
    ) -> Result<(), StoreError> {
        self.set_batch_spec(batch, spec)?;
        let key = self.batch_key(batch)?;
        self.append(batch, key, variants, cases, executions)
    }

    pub(super) fn set_batch_spec(
        &self,
        batch: &BatchId,
        spec: &BatchSpec,
    ) -> Result<(), StoreError> {
        let changed = self.change(
            "UPDATE batches SET spec = ?2 WHERE id = ?1",
            params![batch.as_str(), encode_json(spec)?],
            "writing what is asked of a batch",
        )?;
        match changed {
            0 => Err(StoreError::NotFound { what: "batch", id: batch.to_string() }),
            _ => Ok(()),
        }
    }

    fn append(
        &mut self,
        id: &BatchId,
        key: i64,
        variants: &[VariantRecord],
        cases: &[CaseRecord],
        executions: &[ExecutionRecord],
    ) -> Result<(), StoreError> {
        self.append_variants(key, variants)?;
        self.append_cases(key, cases)?;
        for execution in executions {
            if execution.batch.as_ref() != Some(id) {
                return Err(StoreError::Backend {
                    doing: format!("writing execution {} of batch {id}", execution.id),
                    reason: "it belongs to another batch, or to none".to_owned(),
                });
            }
            self.insert_execution(execution, Some(key))?;
        }
        Ok(())
    }

    fn append_variants(&self, batch: i64, variants: &[VariantRecord]) -> Result<(), StoreError> {
        let sql = "INSERT INTO variants (batch, position, name, description) \
                   SELECT ?1, COUNT(*), ?2, ?3 FROM variants WHERE batch = ?1";
        for variant in variants {
            let description = encode_json(&variant.description)?;
            let doing = format!("writing variant `{}`", variant.name);
            self.change(sql, params![batch, variant.name, description], &doing)?;
        }
        Ok(())
    }

    fn append_cases(&mut self, batch: i64, cases: &[CaseRecord]) -> Result<(), StoreError> {
        let first: u64 = self
            .connection
            .prepare_cached("SELECT COUNT(*) FROM cases WHERE batch = ?1")
            .and_then(|mut statement| statement.query_row([batch], |row| row.get(0)))
            .while_("counting cases")?;
        for (position, case) in (first..).zip(cases) {
            let CaseRecord { input, expected, answers, .. } = case;
            self.check_objects([Some(input), expected.as_ref(), answers.as_ref()])?;
            self.change(
                "INSERT INTO cases \
                 (batch, position, id, case_group, tags, input, expected, answers, workspace) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                params![
                    batch,
                    position,
                    case.id,
                    case.group,
                    encode_list(&case.tags)?,
                    encode_value(input),
                    encode_optional(expected.as_ref()),
                    encode_optional(answers.as_ref()),
                    case.workspace,
                ],
                &format!("writing case `{}`", case.id),
            )?;
        }
        Ok(())
    }

    pub(super) fn claim_batch(
        &mut self,
        batch: &BatchId,
        session: &SessionId,
        from: Option<&SessionId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let owned = self.owned_batch(batch)?;
        if owned.owner.0.is_some() {
            owned.owner.check(from, || format!("claiming batch {batch}"))?;
        }
        self.change(
            "UPDATE batches SET session = ?2 WHERE key = ?1",
            params![owned.key, session.as_str()],
            "claiming a batch",
        )?;
        self.requeue_running(owned.key, at)
    }

    /// Sends what a dead session left running back to the queue. The old tokens stay on the rows,
    /// so that the dead leases can neither finish nor be mistaken for later ones.
    fn requeue_running(&mut self, batch: i64, at: Timestamp) -> Result<(), StoreError> {
        self.change(
            "UPDATE attempts SET status = 'lost', finished_at = ?2 \
             WHERE status = 'running' AND execution IN (\
                 SELECT key FROM executions WHERE batch = ?1 \
                 AND outstanding = 1 AND status = 'running')",
            params![batch, at.as_micros()],
            "marking attempts as lost",
        )?;
        let requeued = self.change(
            "UPDATE executions SET status = 'queued' WHERE batch = ?1 \
             AND outstanding = 1 AND status = 'running'",
            [batch],
            "requeueing executions",
        )?;
        let requeued = i64::try_from(requeued).unwrap_or(i64::MAX);
        self.counts.add(batch, ExecutionStatus::Running, -requeued);
        self.counts.add(batch, ExecutionStatus::Queued, requeued);
        Ok(())
    }

    pub(super) fn release_batch(
        &self,
        batch: &BatchId,
        session: &SessionId,
    ) -> Result<(), StoreError> {
        let owned = self.owned_batch(batch)?;
        owned.owner.check(Some(session), || format!("releasing batch {batch}"))?;
        self.change(
            "UPDATE batches SET session = NULL WHERE key = ?1",
            [owned.key],
            "releasing a batch",
        )
        .map(drop)
    }

    pub(super) fn give_inputs(
        &mut self,
        batch: &BatchId,
        session: &SessionId,
        inputs: &StoredValue,
    ) -> Result<(), StoreError> {
        let owned = self.owned_batch(batch)?;
        owned.owner.check(Some(session), || format!("giving the inputs of batch {batch}"))?;
        self.check_objects([Some(inputs)])?;
        self.change(
            "UPDATE batches SET given = ?2 WHERE key = ?1",
            params![owned.key, encode_value(inputs)],
            "giving inputs",
        )
        .map(drop)
    }

    pub(super) fn set_batch_status(
        &self,
        batch: &BatchId,
        session: &SessionId,
        status: BatchStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let owned = self.owned_batch(batch)?;
        owned.owner.check(Some(session), || format!("setting batch {batch} to `{status}`"))?;
        owned.status.check(status, format_args!("batch {batch}"))?;
        self.change(
            "UPDATE batches SET status = ?2, \
             started_at = CASE WHEN ?3 THEN COALESCE(started_at, ?5) ELSE started_at END, \
             finished_at = CASE WHEN ?4 THEN ?5 ELSE finished_at END WHERE key = ?1",
            params![
                owned.key,
                status.as_str(),
                status == BatchStatus::Running,
                status.is_final(),
                at.as_micros(),
            ],
            "setting a batch's status",
        )
        .map(drop)
    }
}
