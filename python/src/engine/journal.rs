//! The journal, by the handle on an open engine.

use std::time::Duration;

use pyo3::prelude::*;
use serde_json::Value as Json;
use wtb_model::{CUSTOM_PREFIX, EventBody, Timestamp};
use wtb_store::JournalFilter;

use super::{EngineRef, batch_id, execution_id, unreadable};
use crate::errors::{Result, invalid};
use crate::rows;

#[pymethods]
impl EngineRef {
    /// Writes an event of the user's own into the journal; returns its sequence number.
    fn publish(
        &self,
        py: Python<'_>,
        kind: String,
        data: &str,
        batch: Option<&str>,
        execution: Option<&str>,
    ) -> Result<u64> {
        if !kind.starts_with(CUSTOM_PREFIX) {
            return Err(invalid(format!("`{kind}`: kinds of your own begin with `custom.`")));
        }
        let data = serde_json::from_str(data).map_err(unreadable)?;
        let batch = batch.map(batch_id).transpose()?;
        let execution = execution.map(execution_id).transpose()?;
        let body = EventBody::Custom { name: kind, data };
        Ok(py.detach(|| self.0.publish(batch.as_ref(), execution.as_ref(), body))?)
    }

    fn report_subscriber(
        &self,
        py: Python<'_>,
        subscriber: String,
        sequence: u64,
        error: String,
    ) -> Result<()> {
        let body = EventBody::SubscriberFailed { subscriber, sequence, error };
        py.detach(|| self.0.publish(None, None, body))?;
        Ok(())
    }

    /// Returns journal entries as one JSON array.
    #[expect(clippy::too_many_arguments, reason = "one argument for each way to filter")]
    fn journal(
        &self,
        py: Python<'_>,
        after: u64,
        limit: u64,
        batch: Option<&str>,
        execution: Option<&str>,
        kinds: Vec<String>,
        since: Option<f64>,
        until: Option<f64>,
    ) -> Result<String> {
        let filter = JournalFilter {
            batch: batch.map(batch_id).transpose()?,
            execution: execution.map(execution_id).transpose()?,
            kinds,
            since: since.map(timestamp),
            until: until.map(timestamp),
        };
        py.detach(|| {
            let entries = self.0.journal(&filter, after, limit)?;
            let entries: Vec<_> = entries.iter().map(rows::entry).collect();
            Ok(Json::from(entries).to_string())
        })
    }

    fn last_sequence(&self, py: Python<'_>) -> Result<u64> {
        self.with_store(py, |store| store.last_sequence())
    }

    /// Waits until something was journaled after `after`, or the timeout is over.
    fn wait_journal(&self, py: Python<'_>, after: u64, timeout_s: f64) -> Result<u64> {
        let timeout = Duration::from_secs_f64(timeout_s.max(0.0));
        self.with_store(py, |store| Ok(store.wait_journal(after, timeout)))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "microseconds of any real date fit")]
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_micros((seconds * 1e6).round() as i64)
}
