//! Events, journaled in the transaction that makes them true.

use rusqlite::params;
use wtb_model::{BatchId, Event, ExecutionId};

use super::Transaction;
use crate::StoreError;
use crate::codec::encode_json;

impl Transaction<'_> {
    pub(super) fn write_event(&mut self, event: &Event) -> Result<(), StoreError> {
        self.change(
            "INSERT INTO journal (at, session, batch, execution, kind, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                event.at.as_micros(),
                event.session.as_str(),
                event.batch.as_ref().map(BatchId::as_str),
                event.execution.as_ref().map(ExecutionId::as_str),
                event.body.kind(),
                encode_json(&event.body)?,
            ],
            "writing to the journal",
        )?;
        // SQLite hands out no negative sequence numbers.
        self.sequence = self.connection.last_insert_rowid().unsigned_abs();
        Ok(())
    }
}
