//! Events, journaled in the transaction that makes them true, and the mark of that transaction.

use wtb_model::{BatchId, Event, ExecutionId};
use wtb_store::StoreError;
use wtb_store::codec::encode_json;

use super::staged::Added;
use crate::bulk::{Kind, Table};
use crate::connection::{Connection, get};
use crate::errors::Failure;
use crate::sql::{Value, saturated};

const ENTRIES: Table<7> = Table {
    name: "journal",
    what: "to the journal",
    columns: [
        ("sequence", Kind::Int),
        ("at", Kind::Int),
        ("session", Kind::Text),
        ("batch", Kind::Text),
        ("execution", Kind::Text),
        ("kind", Kind::Text),
        ("body", Kind::Text),
    ],
};

/// What a transaction leaves behind, so that its writer can see later that it was committed: the
/// writer's id and the number of the group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    /// The writer.
    pub(crate) writer: [u8; 16],
    /// The group; larger than that of every group before.
    pub(crate) group: i64,
}

impl Mark {
    /// Makes the row that holds the writer's marks.
    pub(crate) fn register(connection: &mut Connection, writer: [u8; 16]) -> Result<(), Failure> {
        let sql = "INSERT INTO @.writers (id, last) VALUES ($1, 0) ON CONFLICT (id) DO NOTHING";
        let doing = "registering a writer";
        connection.execute(sql, &[Value::Bytes(Some(writer.to_vec()))], doing)?;
        // Those of programs that were killed. One that was only idle for that long registers again.
        connection
            .execute("DELETE FROM @.writers WHERE at < now() - interval '1 week'", &[], doing)
            .map(drop)
    }

    /// Removes the row of a writer that ends.
    pub(crate) fn unregister(connection: &mut Connection, writer: [u8; 16]) -> Result<(), Failure> {
        let sql = "DELETE FROM @.writers WHERE id = $1";
        let id = Value::Bytes(Some(writer.to_vec()));
        connection.execute(sql, &[id], "unregistering a writer").map(drop)
    }

    /// Whether the group was committed. Waits until the transaction that may have done it is over:
    /// it holds the lock on its writer's row.
    pub(crate) fn was_left(&self, connection: &mut Connection) -> Result<bool, Failure> {
        let rows = connection.query(
            "SELECT last FROM @.writers WHERE id = $1 FOR UPDATE",
            &[Value::Bytes(Some(self.writer.to_vec()))],
            "looking a group up",
        )?;
        let last: Option<i64> = rows.first().map(|row| get(row, 0)).transpose()?;
        Ok(last == Some(self.group))
    }
}

/// The events of a group, each with its body as it is written.
#[derive(Debug, Default)]
pub(super) struct Events<'group> {
    added: Added<(&'group Event, String)>,
}

impl<'group> Events<'group> {
    pub(super) fn add(&mut self, event: &'group Event) -> Result<(), StoreError> {
        self.added.push((event, encode_json(&event.body)?));
        Ok(())
    }

    pub(super) fn settle(&mut self, kept: bool) {
        if kept { self.added.keep() } else { self.added.undo() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> u64 {
        self.added.len() as u64
    }

    /// Leaves the mark, takes the numbers of the events (under the lock that is held to the commit)
    /// and writes them. Returns the number before the first.
    pub(super) fn flush(&self, connection: &mut Connection, mark: &Mark) -> Result<u64, Failure> {
        let count = saturated(self.len());
        let sql = if count == 0 {
            "WITH own AS (UPDATE @.writers SET last = $1, at = clock_timestamp() \
             WHERE id = $2 RETURNING last) \
             SELECT (SELECT count(*) FROM own), last - $3 FROM @.journal_end"
        } else {
            "WITH own AS (UPDATE @.writers SET last = $1, at = clock_timestamp() \
             WHERE id = $2 RETURNING last), \
             stop AS (UPDATE @.journal_end SET last = last + $3 RETURNING last) \
             SELECT (SELECT count(*) FROM own), last - $3 FROM stop"
        };
        let parameters =
            [mark.group.into(), Value::Bytes(Some(mark.writer.to_vec())), count.into()];
        let rows = connection.query(sql, &parameters, "numbering the journal")?;
        let (marked, first): (i64, i64) = match rows.first() {
            Some(row) => (get(row, 0)?, get(row, 1)?),
            None => (0, 0),
        };
        if marked == 0 {
            return Err(Failure::Conflict(StoreError::Backend {
                doing: "numbering the journal".to_owned(),
                reason: "the row of the writer or of the journal's end is gone".to_owned(),
            }));
        }
        let entries = (first + 1..).zip(self.added.iter());
        ENTRIES.insert(
            connection,
            entries.map(|(sequence, (event, body))| Ok(row(sequence, event, body))),
            "",
        )?;
        Ok(first.unsigned_abs())
    }
}

fn row(sequence: i64, event: &Event, body: &str) -> [Value; 7] {
    [
        sequence.into(),
        Value::time(event.at),
        event.session.as_str().into(),
        Value::optional_text(event.batch.as_ref().map(BatchId::as_str)),
        Value::optional_text(event.execution.as_ref().map(ExecutionId::as_str)),
        Value::text(event.body.kind()),
        body.into(),
    ]
}
