//! Sessions, and which of them owns a batch.

use rusqlite::{OptionalExtension as _, params};
use wtb_model::{BatchId, BatchStatus, SessionId, SessionRecord, Timestamp};

use super::Transaction;
use crate::StoreError;
use crate::sqlite::errors::While;

/// A batch as those who change it need to know it.
pub(super) struct OwnedBatch {
    /// Its key.
    pub(super) key: i64,
    /// Where it stands.
    pub(super) status: BatchStatus,
    /// Who owns it.
    pub(super) owner: Owner,
}

/// The session that owns a batch: the one it names, unless that one has ended.
pub(super) struct Owner(pub(super) Option<String>);

impl Transaction<'_> {
    pub(super) fn open_session(&self, session: &SessionRecord) -> Result<(), StoreError> {
        self.change(
            "INSERT INTO sessions \
             (id, host, process, process_started, started_at, heartbeat_at, ended_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                session.id.as_str(),
                session.host,
                session.process,
                session.process_started,
                session.started_at.as_micros(),
                session.heartbeat_at.as_micros(),
                session.ended_at.map(Timestamp::as_micros),
            ],
            "opening a session",
        )
        .map(drop)
    }

    pub(super) fn heartbeat(&self, session: &SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.change_session(
            "UPDATE sessions SET heartbeat_at = ?2 WHERE id = ?1",
            session,
            at,
            "writing a heartbeat",
        )
    }

    /// Ends a session. Its batches keep its name, as that of the session that drove them last; that
    /// it has ended is what releases them.
    pub(super) fn close_session(
        &self,
        session: &SessionId,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        self.change_session(
            "UPDATE sessions SET ended_at = ?2 WHERE id = ?1",
            session,
            at,
            "closing a session",
        )
    }

    fn change_session(
        &self,
        sql: &str,
        session: &SessionId,
        at: Timestamp,
        doing: &str,
    ) -> Result<(), StoreError> {
        match self.change(sql, params![session.as_str(), at.as_micros()], doing)? {
            0 => Err(StoreError::NotFound { what: "session", id: session.to_string() }),
            _ => Ok(()),
        }
    }

    /// Returns a batch with its owner.
    pub(super) fn owned_batch(&self, batch: &BatchId) -> Result<OwnedBatch, StoreError> {
        let found = self
            .connection
            .prepare_cached(
                "SELECT b.key, b.status, CASE WHEN s.ended_at IS NULL THEN b.session END \
                 FROM batches b LEFT JOIN sessions s ON s.id = b.session WHERE b.id = ?1",
            )
            .and_then(|mut statement| {
                statement
                    .query_row([batch.as_str()], |row| {
                        Ok((row.get(0)?, row.get::<_, String>(1)?, Owner(row.get(2)?)))
                    })
                    .optional()
            })
            .while_("reading a batch's owner")?;
        let (key, status, owner) =
            found.ok_or_else(|| StoreError::NotFound { what: "batch", id: batch.to_string() })?;
        let status = BatchStatus::parse(&status).ok_or_else(|| StoreError::Unreadable {
            what: format!("batch {batch}"),
            reason: format!("status `{status}` is not known to this program"),
        })?;
        Ok(OwnedBatch { key, status, owner })
    }
}

impl Owner {
    /// Refuses `what` unless `session` owns the batch.
    pub(super) fn check(
        &self,
        session: Option<&SessionId>,
        what: impl Fn() -> String,
    ) -> Result<(), StoreError> {
        if self.0.as_deref() == session.map(SessionId::as_str) {
            return Ok(());
        }
        Err(StoreError::NotOwner { what: what(), owner: self.0.clone() })
    }
}
