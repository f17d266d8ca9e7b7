//! Who owns a batch: claimed, released, and only by its owner moved from state to state.

use wtb_model::{BatchId, BatchStatus, SessionId, StoredValue, Timestamp};
use wtb_store::StoreError;

use super::Group;
use super::batches::Batch;

impl<'group> Group<'group> {
    pub(super) fn claim_batch(
        &mut self,
        id: &BatchId,
        session: &SessionId,
        from: Option<&SessionId>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, batch) = self.batches.find(id)?;
        if self.owner(batch).is_some() {
            self.check_owner(batch, from, || format!("claiming batch {id}"))?;
        }
        let batch = Batch { session: Some(session.to_string()), changed: true, ..batch.clone() };
        self.batches.rows.set(key, batch);
        self.requeue_running(key, at);
        Ok(())
    }

    pub(super) fn release_batch(
        &mut self,
        id: &BatchId,
        session: &SessionId,
    ) -> Result<(), StoreError> {
        let (key, batch) = self.batches.find(id)?;
        self.check_owner(batch, Some(session), || format!("releasing batch {id}"))?;
        let batch = Batch { session: None, changed: true, ..batch.clone() };
        self.batches.rows.set(key, batch);
        Ok(())
    }

    pub(super) fn give_inputs(
        &mut self,
        id: &BatchId,
        session: &SessionId,
        inputs: &'group StoredValue,
    ) -> Result<(), StoreError> {
        let (key, batch) = self.batches.find(id)?;
        self.check_owner(batch, Some(session), || format!("giving the inputs of batch {id}"))?;
        let batch = Batch { given: Some(inputs), changed: true, ..batch.clone() };
        self.objects.check([Some(inputs)])?;
        self.batches.rows.set(key, batch);
        Ok(())
    }

    pub(super) fn set_batch_status(
        &mut self,
        id: &BatchId,
        session: &SessionId,
        status: BatchStatus,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let (key, batch) = self.batches.find(id)?;
        self.check_owner(batch, Some(session), || format!("setting batch {id} to `{status}`"))?;
        batch.status.check(status, format_args!("batch {id}"))?;
        let mut batch = Batch { status, changed: true, ..batch.clone() };
        if status == BatchStatus::Running {
            batch.started_at = batch.started_at.or(Some(at.as_micros()));
        }
        if status.is_final() {
            batch.finished_at = Some(at.as_micros());
        }
        self.batches.rows.set(key, batch);
        Ok(())
    }

    /// Refuses `what` unless `session` owns the batch of this key.
    pub(super) fn check_owner_of(
        &self,
        key: i64,
        session: &SessionId,
        what: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        match self.batches.rows.get(&key) {
            Some(batch) => self.check_owner(batch, Some(session), what),
            None => Err(StoreError::Unreadable {
                what: what(),
                reason: format!("its batch (key {key}) is not there"),
            }),
        }
    }

    /// The session that owns a batch: the one it names, unless that one has ended.
    fn owner<'batch>(&self, batch: &'batch Batch<'_>) -> Option<&'batch str> {
        batch.session.as_deref().filter(|session| !self.sessions.has_ended(session))
    }

    /// Refuses `what` unless `session` owns the batch.
    fn check_owner(
        &self,
        batch: &Batch<'_>,
        session: Option<&SessionId>,
        what: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        let owner = self.owner(batch);
        if owner == session.map(SessionId::as_str) {
            return Ok(());
        }
        Err(StoreError::NotOwner { what: what(), owner: owner.map(str::to_owned) })
    }
}
