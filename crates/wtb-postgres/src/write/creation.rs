//! Executions that are created: by themselves, or with their batch.

use wtb_model::{BatchId, ExecutionRecord, Timestamp};
use wtb_store::{StoreError, check_goes_on};

use super::executions::{Execution, Fate, Outcome};
use super::wanted::values_of;
use super::{Group, taken};
use crate::sql::integer;

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
        self.objects.check(values_of(record))?;
        let find = |id: &BatchId| self.batches.find(id).map(|(key, _)| key);
        let origin = record.origin.as_ref().map(find).transpose()?;
        if record.id.is_continuation() {
            let (_, cell) = self.executions.find(&record.id.known())?;
            let is_there = self.executions.find_any(&record.id).is_some();
            check_goes_on(record, cell.status, cell.token.unsigned_abs(), is_there)?;
        }
        let taken = || taken("writing an execution", &format!("execution {}", record.id));
        if self.executions.find_any(&record.id).is_some() {
            return Err(taken());
        }
        let key = self.executions.unused_key(&record.id).ok_or_else(taken)?;
        integer(record.seed, "a seed")?;
        integer(record.duration_us.unwrap_or_default(), "a duration")?;
        let execution = Execution {
            created: Some((record, origin)),
            batch,
            counted: None,
            status: record.status,
            attempts: record.attempts.into(),
            token: integer(record.token, "a token")?,
            dead_letter: record.dead_letter,
            settled: record.settled,
            started_at: record.started_at.map(Timestamp::as_micros),
            finished_at: record.finished_at.map(Timestamp::as_micros),
            lineages: record.lineages.into(),
            from_head: record.from_head,
            outcome: Outcome::Kept,
            fate: Fate::Changed,
        };
        self.executions.set(key, execution);
        Ok(())
    }
}
