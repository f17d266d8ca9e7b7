//! Batches with their counts, variants and cases; sessions.

use rusqlite::types::Value;
use wtb_model::{
    BatchId, BatchRecord, BatchStatus, CaseRecord, SessionId, SessionRecord, StatusCounts,
    VariantRecord,
};

use super::{Filter, Query};
use crate::sqlite::columns::Columns;
use crate::{BatchFilter, BatchSummary, Page, StoreError};

const SUMMARIES: &str = "SELECT b.name, b.id, b.workflow, b.reference, b.status, b.spec, \
     b.session, b.created_at, b.started_at, b.finished_at, c.queued, c.running, c.succeeded, \
     c.failed, c.timed_out, c.cancelled, c.interrupted, c.paused \
     FROM batches b JOIN batch_counts c ON c.batch = b.key";
const SESSIONS: &str = "SELECT id, host, process, process_started, started_at, heartbeat_at, \
     ended_at FROM sessions";

impl Query {
    pub(in crate::sqlite) fn batch(&self, id: &BatchId) -> Result<BatchSummary, StoreError> {
        let sql = format!("{SUMMARIES} WHERE b.id = ?");
        let parameter = [id.as_str().to_owned().into()];
        self.first(&sql, &parameter, "a batch", |columns| {
            let name = columns.take()?;
            summary(name, columns)
        })?
        .ok_or_else(|| StoreError::NotFound { what: "batch", id: id.to_string() })
    }

    pub(in crate::sqlite) fn batches(
        &self,
        filter: &BatchFilter,
        page: Page,
    ) -> Result<Vec<BatchSummary>, StoreError> {
        let mut query = Filter::new(SUMMARIES);
        query.and_text("b.workflow = ?", filter.workflow.as_deref());
        query.and_text("b.status = ?", filter.status.map(BatchStatus::as_str));
        query.ordered("b.key DESC");
        // SQLite folds the case of ASCII alone, so names are compared here.
        let needle = filter.name_contains.as_deref().map(str::to_lowercase);
        let decode = |columns: &mut Columns<'_>| {
            let name: Option<String> = columns.take()?;
            let fits = needle.as_ref().is_none_or(|needle| {
                name.as_ref().is_some_and(|name| name.to_lowercase().contains(needle))
            });
            if fits { summary(name, columns).map(Some) } else { Ok(None) }
        };
        if needle.is_some() {
            return self.some(&query.sql, &query.parameters, "a batch", decode, page);
        }
        query.page(page);
        self.some(&query.sql, &query.parameters, "a batch", decode, Page::ALL)
    }

    pub(in crate::sqlite) fn variants(
        &self,
        batch: &BatchId,
    ) -> Result<Vec<VariantRecord>, StoreError> {
        let key = self.batch_key(batch)?;
        self.all(
            "SELECT name, description FROM variants WHERE batch = ? ORDER BY position",
            &[Value::Integer(key)],
            "a variant",
            |columns| Ok(VariantRecord { name: columns.take()?, description: columns.json()? }),
        )
    }

    pub(in crate::sqlite) fn cases(&self, batch: &BatchId) -> Result<Vec<CaseRecord>, StoreError> {
        let key = self.batch_key(batch)?;
        self.all(
            "SELECT id, case_group, tags, input, expected, answers, workspace FROM cases \
             WHERE batch = ? ORDER BY position",
            &[Value::Integer(key)],
            "a case",
            |columns| {
                Ok(CaseRecord {
                    id: columns.take()?,
                    group: columns.take()?,
                    tags: columns.json()?,
                    input: columns.value()?,
                    expected: columns.optional_value()?,
                    answers: columns.optional_value()?,
                    workspace: columns.take()?,
                })
            },
        )
    }

    pub(in crate::sqlite) fn session(&self, id: &SessionId) -> Result<SessionRecord, StoreError> {
        let sql = format!("{SESSIONS} WHERE id = ?");
        self.first(&sql, &[id.as_str().to_owned().into()], "a session", session)?
            .ok_or_else(|| StoreError::NotFound { what: "session", id: id.to_string() })
    }

    pub(in crate::sqlite) fn open_sessions(&self) -> Result<Vec<SessionRecord>, StoreError> {
        let sql = format!("{SESSIONS} WHERE ended_at IS NULL ORDER BY key");
        self.all(&sql, &[], "a session", session)
    }
}

fn summary(name: Option<String>, columns: &mut Columns<'_>) -> Result<BatchSummary, StoreError> {
    let batch = BatchRecord {
        name,
        id: columns.id()?,
        workflow: columns.take()?,
        reference: columns.take()?,
        status: columns.name(BatchStatus::parse)?,
        spec: columns.json()?,
        session: columns.optional_id()?,
        created_at: columns.time()?,
        started_at: columns.optional_time()?,
        finished_at: columns.optional_time()?,
    };
    let counts = StatusCounts {
        queued: columns.take()?,
        running: columns.take()?,
        succeeded: columns.take()?,
        failed: columns.take()?,
        timed_out: columns.take()?,
        cancelled: columns.take()?,
        interrupted: columns.take()?,
        paused: columns.take()?,
    };
    Ok(BatchSummary { batch, counts })
}

fn session(columns: &mut Columns<'_>) -> Result<SessionRecord, StoreError> {
    Ok(SessionRecord {
        id: columns.id()?,
        host: columns.take()?,
        process: columns.take()?,
        process_started: columns.take()?,
        started_at: columns.time()?,
        heartbeat_at: columns.time()?,
        ended_at: columns.optional_time()?,
    })
}
