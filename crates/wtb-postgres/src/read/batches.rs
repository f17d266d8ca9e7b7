//! Batches with their counts, variants and cases; sessions.

use std::time::Duration;

use wtb_model::{
    BatchId, BatchRecord, BatchStatus, CaseRecord, SessionId, SessionRecord, StatusCounts,
    VariantRecord,
};
use wtb_store::{BatchFilter, BatchSummary, Page, StoreError};

use super::{Filter, Query};
use crate::columns::{Columns, only_number};
use crate::errors::Failure;
use crate::sql::Value;

const SUMMARIES: &str = "SELECT b.key, b.name, b.id, b.workflow, b.reference, b.status, b.spec, \
     b.session, b.created_at, b.started_at, b.finished_at, c.queued, c.running, c.succeeded, \
     c.failed, c.timed_out, c.cancelled, c.interrupted, c.paused \
     FROM @.batches b JOIN @.batch_counts c ON c.batch = b.key";
const SESSIONS: &str = "SELECT id, host, process, process_started, started_at, heartbeat_at, \
     ended_at FROM @.sessions";
/// How many batches are looked at at once while their names are compared.
const NAMES_AT_ONCE: u64 = 256;

impl Query<'_> {
    pub(crate) fn batch(&mut self, id: &BatchId) -> Result<BatchSummary, Failure> {
        let sql = format!("{SUMMARIES} WHERE b.id = $1");
        let found = self.first(&sql, &[id.as_str().into()], "a batch", summary)?;
        let (_, found) =
            found.ok_or_else(|| StoreError::NotFound { what: "batch", id: id.to_string() })?;
        Ok(found)
    }

    pub(crate) fn batches(
        &mut self,
        filter: &BatchFilter,
        page: Page,
    ) -> Result<Vec<BatchSummary>, Failure> {
        let Some(needle) = filter.name_contains.as_deref().map(str::to_lowercase) else {
            let found = self.batches_before(filter, None, page)?;
            return Ok(found.into_iter().map(|(_, summary)| summary).collect());
        };
        // What is a letter's other case is not for the server's locale to say.
        let (mut found, mut passed, mut before) = (Vec::new(), 0, None);
        while (found.len() as u64) < page.limit {
            let some = self.batches_before(filter, before, Page::first(NAMES_AT_ONCE))?;
            let Some((last, _)) = some.last() else { break };
            before = Some(*last);
            let fits = |summary: &BatchSummary| {
                let name = summary.batch.name.as_ref();
                name.is_some_and(|name| name.to_lowercase().contains(&needle))
            };
            for summary in some.into_iter().map(|(_, summary)| summary).filter(fits) {
                if passed < page.offset {
                    passed += 1;
                } else if (found.len() as u64) < page.limit {
                    found.push(summary);
                }
            }
        }
        Ok(found)
    }

    /// Lists batches with their keys, but for their names as the filter says.
    fn batches_before(
        &mut self,
        filter: &BatchFilter,
        before: Option<i64>,
        page: Page,
    ) -> Result<Vec<(i64, BatchSummary)>, Failure> {
        let mut query = Filter::new(SUMMARIES);
        query.and_text("b.workflow = ?", filter.workflow.as_deref());
        query.and_text("b.status = ?", filter.status.map(BatchStatus::as_str));
        if let Some(before) = before {
            query.and("b.key < ?", [before.into()]);
        }
        query.ordered("b.key DESC");
        query.page(page);
        self.all(&query.sql, &query.parameters, "a batch", summary)
    }

    pub(crate) fn variants(&mut self, batch: &BatchId) -> Result<Vec<VariantRecord>, Failure> {
        let key = self.batch_key(batch)?;
        self.all(
            "SELECT name, description FROM @.variants WHERE batch = $1 ORDER BY position",
            &[key],
            "a variant",
            |columns| Ok(VariantRecord { name: columns.text()?, description: columns.json()? }),
        )
    }

    pub(crate) fn cases(&mut self, batch: &BatchId) -> Result<Vec<CaseRecord>, Failure> {
        let key = self.batch_key(batch)?;
        self.all(
            "SELECT id, case_group, tags, input, expected, answers, workspace FROM @.cases \
             WHERE batch = $1 ORDER BY position",
            &[key],
            "a case",
            |columns| {
                Ok(CaseRecord {
                    id: columns.text()?,
                    group: columns.optional_text()?,
                    tags: columns.json()?,
                    input: columns.value()?,
                    expected: columns.optional_value()?,
                    answers: columns.optional_value()?,
                    workspace: columns.optional_text()?,
                })
            },
        )
    }

    pub(crate) fn session(&mut self, id: &SessionId) -> Result<SessionRecord, Failure> {
        let sql = format!("{SESSIONS} WHERE id = $1");
        let found = self.first(&sql, &[id.as_str().into()], "a session", session)?;
        Ok(found.ok_or_else(|| no_session(id))?)
    }

    pub(crate) fn open_sessions(&mut self) -> Result<Vec<SessionRecord>, Failure> {
        let sql = format!("{SESSIONS} WHERE ended_at IS NULL ORDER BY key");
        self.all(&sql, &[], "a session", session)
    }

    /// How long a session has been silent, on the database's clock.
    pub(crate) fn silence(&mut self, id: &SessionId) -> Result<Duration, Failure> {
        let sql = "SELECT GREATEST(0, extract(epoch FROM clock_timestamp() - seen_at) * 1000000)\
                   ::bigint FROM @.sessions WHERE id = $1";
        let found = self.first(sql, &[Value::from(id.as_str())], "a session", only_number)?;
        Ok(Duration::from_micros(found.ok_or_else(|| no_session(id))?))
    }
}

fn no_session(id: &SessionId) -> StoreError {
    StoreError::NotFound { what: "session", id: id.to_string() }
}

fn summary(columns: &mut Columns<'_>) -> Result<(i64, BatchSummary), StoreError> {
    let key = columns.take()?;
    let batch = BatchRecord {
        name: columns.optional_text()?,
        id: columns.id()?,
        workflow: columns.text()?,
        reference: columns.optional_text()?,
        status: columns.name(BatchStatus::parse)?,
        spec: columns.json()?,
        session: columns.optional_id()?,
        created_at: columns.time()?,
        started_at: columns.optional_time()?,
        finished_at: columns.optional_time()?,
    };
    let counts = StatusCounts {
        queued: columns.number()?,
        running: columns.number()?,
        succeeded: columns.number()?,
        failed: columns.number()?,
        timed_out: columns.number()?,
        cancelled: columns.number()?,
        interrupted: columns.number()?,
        paused: columns.number()?,
    };
    Ok((key, BatchSummary { batch, counts }))
}

fn session(columns: &mut Columns<'_>) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        id: columns.id()?,
        host: columns.text()?,
        process: columns.number()?,
        process_started: columns.optional_number()?,
        started_at: columns.time()?,
        heartbeat_at: columns.time()?,
        ended_at: columns.optional_time()?,
    })
}
