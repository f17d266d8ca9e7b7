//! A batch: its line in a listing, its head, its JSON.

use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wtb_engine::session::is_alive;
use wtb_model::{BatchRecord, BatchStatus, SessionId, StatusCounts, Timestamp};
use wtb_store::{BatchSummary, Store};

use super::{json_seconds, json_time, short_batch};
use crate::text::{Column, Style, Table, Tone, age, clock_time, duration, plural, seconds};

/// What a batch is called that nobody drives although it has not ended.
pub(crate) const STOPPED: &str = "stopped";

/// Reads batches of a store for people: which of them are driven by somebody, and since when.
pub(crate) struct Viewer<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) now: Timestamp,
    alive: RefCell<HashMap<SessionId, bool>>,
}

impl<'a> Viewer<'a> {
    pub(crate) fn new(store: &'a dyn Store, now: Timestamp) -> Self {
        Self { store, now, alive: RefCell::default() }
    }

    /// Whether the batch has not ended and nobody drives it, so that it can be resumed.
    pub(crate) fn is_stopped(&self, batch: &BatchRecord) -> bool {
        !batch.status.is_final() && !batch.session.as_ref().is_some_and(|id| self.is_alive(id))
    }

    fn is_alive(&self, id: &SessionId) -> bool {
        let known = self.alive.borrow().get(id).copied();
        known.unwrap_or_else(|| {
            let alive = self.store.session(id).and_then(|record| is_alive(self.store, &record));
            let alive = alive.unwrap_or(false);
            self.alive.borrow_mut().insert(id.clone(), alive);
            alive
        })
    }

    /// The batch's status, or `stopped`.
    pub(crate) fn status(&self, batch: &BatchRecord) -> &'static str {
        if self.is_stopped(batch) { STOPPED } else { batch.status.as_str() }
    }

    /// How long the batch took, or has taken so far; unknown when it was stopped.
    fn took(&self, batch: &BatchRecord) -> Option<u64> {
        let end = batch.finished_at.filter(|_| batch.status.is_final());
        let end = end.or_else(|| (!self.is_stopped(batch)).then_some(self.now))?;
        Some(end.micros_since(batch.started_at?))
    }

    /// Returns batches as a table.
    pub(crate) fn table(&self, batches: &[BatchSummary]) -> Table {
        let mut table = Table::new(vec![
            Column::left("id"),
            Column::left("name").shrinking(),
            Column::left("workflow").shrinking(),
            Column::left("status").shrinking(),
            Column::right("done"),
            Column::right("failed"),
            Column::right("created"),
            Column::right("took"),
        ]);
        for BatchSummary { batch, counts } in batches {
            let cells = vec![
                short_batch(self.store, &batch.id),
                batch.name.clone().unwrap_or_else(|| "-".to_owned()),
                batch.workflow.clone(),
                self.status(batch).to_owned(),
                format!("{}/{}", counts.ended(), counts.total()),
                counts.errors().to_string(),
                age(batch.created_at, self.now),
                self.took(batch).map_or_else(|| "-".to_owned(), duration),
            ];
            table.row(cells, tone(batch.status, self.is_stopped(batch)));
        }
        table
    }

    /// Returns the head of a batch's page.
    pub(crate) fn head(&self, summary: &BatchSummary, zone: &TimeZone, style: Style) -> String {
        let BatchSummary { batch, counts } = summary;
        let name = batch.name.as_deref().map(|name| format!(" \"{name}\"")).unwrap_or_default();
        let started = batch.started_at.unwrap_or(batch.created_at);
        let mut time = format!("{} ({})", clock_time(started, zone), age(started, self.now));
        if let Some(took) = self.took(batch) {
            time.push_str(&format!(", took {}", duration(took)));
        }
        let lines = [
            (
                "workflow",
                match &batch.reference {
                    Some(reference) => format!("{} ({reference})", batch.workflow),
                    None => batch.workflow.clone(),
                },
            ),
            ("status", self.status(batch).to_owned()),
            ("started", time),
            ("asked", self.asked(batch)),
            ("ended", outcome_words(counts)),
        ];
        let mut text = style.paint(Tone::Strong, &format!("batch {}{name}", batch.id));
        for (label, value) in lines {
            text.push_str(&format!("\n  {label:<9} {value}"));
        }
        text.push('\n');
        text
    }

    /// `3 variants x 12 cases x 1 repeat, thread runner with 2 workers, timeout 2m, seed 0`
    fn asked(&self, batch: &BatchRecord) -> String {
        let spec = &batch.spec;
        let count = |found: Option<usize>, thing| {
            found.map_or_else(|| format!("? {thing}s"), |count| plural(count as u64, thing))
        };
        let variants = self.store.variants(&batch.id).ok().map(|variants| variants.len());
        let cases = self.store.cases(&batch.id).ok().map(|cases| cases.len());
        let mut parts = vec![
            format!(
                "{} x {} x {}",
                count(variants, "variant"),
                count(cases, "case"),
                plural(u64::from(spec.repeats), "repeat")
            ),
            format!(
                "{} runner with {}",
                spec.runner,
                plural(u64::from(spec.max_workers), "worker")
            ),
        ];
        if let Some(timeout) = spec.timeout_ms {
            parts
                .push(format!("timeout {}", seconds(Duration::from_millis(timeout).as_secs_f64())));
        }
        if spec.retries > 0 {
            parts.push(format!("retries {}", spec.retries));
        }
        parts.push(format!("seed {}", spec.seed));
        parts.join(", ")
    }

    /// Returns a batch as JSON.
    pub(crate) fn json(&self, summary: &BatchSummary) -> Value {
        let BatchSummary { batch, counts } = summary;
        json!({
            "id": batch.id,
            "name": batch.name,
            "workflow": batch.workflow,
            "reference": batch.reference,
            "status": batch.status,
            "stopped": self.is_stopped(batch),
            "total": counts.total(),
            "done": counts.ended(),
            "counts": counts,
            "created_at": json_time(Some(batch.created_at)),
            "started_at": json_time(batch.started_at),
            "finished_at": json_time(batch.finished_at),
            "duration_s": json_seconds(self.took(batch)),
            "spec": {
                "repeats": batch.spec.repeats,
                "seed": batch.spec.seed,
                "runner": batch.spec.runner,
                "max_workers": batch.spec.max_workers,
                "timeout_s": json_seconds(batch.spec.timeout_ms.map(|ms| ms.saturating_mul(1_000))),
                "retries": batch.spec.retries,
                "error": batch.spec.error,
                "metric": batch.spec.metric,
                "checkpoints": batch.spec.checkpoints,
            },
        })
    }
}

fn tone(status: BatchStatus, is_stopped: bool) -> Option<Tone> {
    match status {
        _ if is_stopped => Some(Tone::Warn),
        BatchStatus::Failed => Some(Tone::Bad),
        _ => None,
    }
}

/// `34 succeeded, 2 failed, 4 queued`
pub(crate) fn outcome_words(counts: &StatusCounts) -> String {
    let each = [
        (counts.succeeded, "succeeded"),
        (counts.failed, "failed"),
        (counts.timed_out, "timed out"),
        (counts.cancelled, "cancelled"),
        (counts.interrupted, "awaiting an answer"),
        (counts.paused, "paused"),
        (counts.running, "running"),
        (counts.queued, "queued"),
    ];
    let words: Vec<_> = each
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if words.is_empty() { "nothing yet".to_owned() } else { words.join(", ") }
}
