//! The journal: in the order of its sequence numbers, whatever the clocks said.

use wtb_model::{BatchId, Event, EventBody, ExecutionId, JournalEntry};
use wtb_store::{JournalFilter, StoreError};

use super::{Filter, Query};
use crate::columns::{Columns, only_number};
use crate::errors::Failure;
use crate::sql::{Value, saturated};

const ENTRIES: &str = "SELECT sequence, at, session, batch, execution, body FROM @.journal";

impl Query<'_> {
    pub(crate) fn last_sequence(&mut self) -> Result<u64, Failure> {
        let sql = "SELECT last FROM @.journal_end";
        let last = self.first(sql, &[], "the journal's end", only_number)?;
        Ok(last.ok_or_else(|| StoreError::Unreadable {
            what: "the journal's end".to_owned(),
            reason: "its row is gone".to_owned(),
        })?)
    }

    pub(crate) fn journal(
        &mut self,
        filter: &JournalFilter,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, Failure> {
        let mut query = Filter::new(ENTRIES);
        query.and("sequence > ?", [saturated(after).into()]);
        query.and_text("batch = ?", filter.batch.as_ref().map(BatchId::as_str));
        query.and_text("execution = ?", filter.execution.as_ref().map(ExecutionId::as_str));
        if let Some(since) = filter.since {
            query.and("at >= ?", [Value::time(since)]);
        }
        if let Some(until) = filter.until {
            query.and("at < ?", [Value::time(until)]);
        }
        restrict_kinds(&mut query, &filter.kinds);
        query.ordered("sequence");
        query.push(" LIMIT ?", [saturated(limit).into()]);
        self.all(&query.sql, &query.parameters, "a journal entry", entry)
    }
}

/// Adds the kinds: equal to one, or, for those that end in `*`, beginning with what is before it.
fn restrict_kinds(query: &mut Filter, kinds: &[String]) {
    if kinds.is_empty() {
        return;
    }
    let (mut conditions, mut parameters) = (Vec::new(), Vec::new());
    for kind in kinds {
        if let Some(prefix) = kind.strip_suffix('*') {
            conditions.push("(kind >= ? AND kind < ?)");
            parameters.push(Value::text(prefix));
            parameters.push(Value::text(&format!("{prefix}\u{10ffff}")));
        } else {
            conditions.push("kind = ?");
            parameters.push(Value::text(kind));
        }
    }
    query.and(&format!("({})", conditions.join(" OR ")), parameters);
}

fn entry(columns: &mut Columns<'_>) -> Result<JournalEntry, StoreError> {
    Ok(JournalEntry {
        sequence: columns.number()?,
        event: Event {
            at: columns.time()?,
            session: columns.id()?,
            batch: columns.optional_id()?,
            execution: columns.optional_id()?,
            body: columns.parsed(EventBody::from_json)?,
        },
    })
}
