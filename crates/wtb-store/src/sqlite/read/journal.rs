//! The journal: in the order of its sequence numbers, whatever the clocks said.

use rusqlite::types::Value;
use wtb_model::{BatchId, Event, EventBody, ExecutionId, JournalEntry};

use super::{Filter, Query, integer};
use crate::sqlite::columns::Columns;
use crate::sqlite::write::last_sequence;
use crate::{JournalFilter, StoreError};

const ENTRIES: &str = "SELECT sequence, at, session, batch, execution, body FROM journal";

impl Query {
    pub(in crate::sqlite) fn last_sequence(&self) -> Result<u64, StoreError> {
        last_sequence(&self.connection)
    }

    pub(in crate::sqlite) fn journal(
        &self,
        filter: &JournalFilter,
        after: u64,
        limit: u64,
    ) -> Result<Vec<JournalEntry>, StoreError> {
        let mut query = Filter::new(ENTRIES);
        query.and("sequence > ?", [integer(after)]);
        query.and_text("batch = ?", filter.batch.as_ref().map(BatchId::as_str));
        query.and_text("execution = ?", filter.execution.as_ref().map(ExecutionId::as_str));
        // Where to begin, the indexes of time and kind tell. Whoever reads on walks the journal from
        // there: to sort all that fits again for each piece would take ever longer. (A plus hides
        // a column from its index.)
        let (at, kind) = if after == 0 { ("at", "kind") } else { ("+at", "+kind") };
        if let Some(since) = filter.since {
            query.and(&format!("{at} >= ?"), [Value::Integer(since.as_micros())]);
        }
        if let Some(until) = filter.until {
            query.and(&format!("{at} < ?"), [Value::Integer(until.as_micros())]);
        }
        restrict_kinds(&mut query, kind, &filter.kinds);
        query.ordered("sequence LIMIT ?");
        query.parameters.push(integer(limit));
        self.all(&query.sql, &query.parameters, "a journal entry", entry)
    }
}

/// Adds the kinds: equal to one, or, for those that end in `*`, beginning with what is before it.
fn restrict_kinds(query: &mut Filter, column: &str, kinds: &[String]) {
    match kinds {
        [] => {}
        // The index of a single kind is in the order of the journal: it serves every piece.
        [kind] if !kind.ends_with('*') => query.and_text("kind = ?", Some(kind)),
        _ => {
            let (mut conditions, mut parameters) = (Vec::new(), Vec::new());
            for kind in kinds {
                if let Some(prefix) = kind.strip_suffix('*') {
                    conditions.push(format!("({column} >= ? AND {column} < ?)"));
                    parameters.push(Value::Text(prefix.to_owned()));
                    parameters.push(Value::Text(format!("{prefix}\u{10ffff}")));
                } else {
                    conditions.push(format!("{column} = ?"));
                    parameters.push(Value::Text(kind.clone()));
                }
            }
            query.and(&format!("({})", conditions.join(" OR ")), parameters);
        }
    }
}

fn entry(columns: &mut Columns<'_>) -> Result<JournalEntry, StoreError> {
    Ok(JournalEntry {
        sequence: columns.take()?,
        event: Event {
            at: columns.time()?,
            session: columns.id()?,
            batch: columns.optional_id()?,
            execution: columns.optional_id()?,
            body: columns.parsed(EventBody::from_json)?,
        },
    })
}
