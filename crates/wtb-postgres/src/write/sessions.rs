//! Sessions: opened, heard of, closed.

use std::collections::BTreeSet;

use wtb_model::{SessionId, SessionRecord, Timestamp};
use wtb_store::StoreError;

use super::staged::Staged;
use super::taken;
use super::wanted::Wanted;
use crate::bulk::{Kind, Table};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, integer};

const OPENED: Table<7> = Table {
    name: "sessions",
    what: "a session",
    columns: [
        ("id", Kind::Text),
        ("host", Kind::Text),
        ("process", Kind::Int),
        ("process_started", Kind::Int),
        ("started_at", Kind::Int),
        ("heartbeat_at", Kind::Int),
        ("ended_at", Kind::Int),
    ],
};

const HEARD: Table<3> = Table {
    name: "sessions",
    what: "a heartbeat",
    columns: [("id", Kind::Text), ("heartbeat_at", Kind::Int), ("ended_at", Kind::Int)],
};

/// A session as those who change it need to know it.
#[derive(Debug, Clone)]
struct Session<'group> {
    /// What is written of one that is opened.
    opened: Option<&'group SessionRecord>,
    heartbeat_at: i64,
    ended_at: Option<i64>,
    changed: bool,
}

/// The sessions that a group names, and the owners of its batches.
#[derive(Debug, Default)]
pub(super) struct Sessions<'group> {
    rows: Staged<String, Session<'group>>,
}

impl<'group> Sessions<'group> {
    pub(super) fn load(
        connection: &mut Connection,
        wanted: &Wanted<'group>,
        owners: impl Iterator<Item = String>,
    ) -> Result<Self, Failure> {
        let mut ids: BTreeSet<String> = owners.collect();
        ids.extend(wanted.sessions.iter().map(|id| (*id).to_owned()));
        let mut sessions = Self::default();
        if ids.is_empty() {
            return Ok(sessions);
        }
        let rows = connection.query(
            "SELECT id, heartbeat_at, ended_at FROM @.sessions WHERE id = ANY($1) \
             ORDER BY key FOR NO KEY UPDATE",
            &[Value::texts(ids.iter().map(String::as_str))],
            "locking sessions",
        )?;
        for row in &rows {
            let session = Session {
                opened: None,
                heartbeat_at: get(row, 1)?,
                ended_at: get(row, 2)?,
                changed: false,
            };
            sessions.rows.load(get(row, 0)?, session);
        }
        Ok(sessions)
    }

    pub(super) fn open(&mut self, record: &'group SessionRecord) -> Result<(), StoreError> {
        let id = record.id.to_string();
        if self.rows.get(&id).is_some() {
            return Err(taken("opening a session", &format!("session {id}")));
        }
        integer(record.process_started.unwrap_or_default(), "a session")?;
        let session = Session {
            opened: Some(record),
            heartbeat_at: record.heartbeat_at.as_micros(),
            ended_at: record.ended_at.map(Timestamp::as_micros),
            changed: true,
        };
        self.rows.set(id, session);
        Ok(())
    }

    pub(super) fn beat(&mut self, id: &SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.change(id, |session| session.heartbeat_at = at.as_micros())
    }

    /// Ends a session. Its batches keep its name, as that of the session that drove them last; that
    /// it has ended is what releases them.
    pub(super) fn close(&mut self, id: &SessionId, at: Timestamp) -> Result<(), StoreError> {
        self.change(id, |session| session.ended_at = Some(at.as_micros()))
    }

    fn change(
        &mut self,
        id: &SessionId,
        change: impl FnOnce(&mut Session<'group>),
    ) -> Result<(), StoreError> {
        let key = id.to_string();
        let missing = || StoreError::NotFound { what: "session", id: key.clone() };
        let mut session = self.rows.get(&key).ok_or_else(missing)?.clone();
        change(&mut session);
        session.changed = true;
        self.rows.set(key, session);
        Ok(())
    }

    /// Whether a session is known to have ended.
    pub(super) fn has_ended(&self, id: &str) -> bool {
        self.rows.get(&id.to_owned()).is_some_and(|session| session.ended_at.is_some())
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept { self.rows.keep() } else { self.rows.undo() }
    }

    pub(super) fn flush(&self, connection: &mut Connection) -> Result<(), Failure> {
        let opened = self.rows.iter().filter_map(|(_, session)| {
            let record = session.opened?;
            Some(opened_row(record, session))
        });
        OPENED.insert(connection, opened, "")?;
        let heard =
            self.rows.iter().filter(|(_, session)| session.changed && session.opened.is_none());
        let heard = heard.map(|(id, session)| {
            Ok([id.as_str().into(), session.heartbeat_at.into(), Value::Int(session.ended_at)])
        });
        let set = "heartbeat_at = u.heartbeat_at, ended_at = u.ended_at, \
                   seen_at = clock_timestamp()";
        HEARD.update(connection, heard, 1, set)
    }
}

fn opened_row(record: &SessionRecord, session: &Session<'_>) -> Result<[Value; 7], StoreError> {
    let started = record.process_started.map(|started| integer(started, "a session"));
    Ok([
        record.id.as_str().into(),
        Value::text(&record.host),
        record.process.into(),
        Value::Int(started.transpose()?),
        Value::time(record.started_at),
        session.heartbeat_at.into(),
        Value::Int(session.ended_at),
    ])
}
