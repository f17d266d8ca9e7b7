//! Records as JSON text, and user values behind opaque references.

use pyo3::prelude::*;
use serde_json::{Value as Json, json};
use wtb_model::{
    AttemptRecord, BatchRecord, ErrorInfo, ExecutionRecord, JournalEntry, NodeRecord, ScoreRecord,
    StatusCounts, StoredValue, Timestamp,
};

/// A stored user value: [`crate::engine::EngineRef::load`] gives its `(type, bytes)`.
#[pyclass(frozen, module = "wtb._native")]
pub(crate) struct ValueRef(pub(crate) StoredValue);

#[pymethods]
impl ValueRef {
    /// The serializer's type tag.
    #[getter]
    fn kind(&self) -> &str {
        self.0.kind()
    }

    /// How many bytes the value has.
    #[getter]
    fn size(&self) -> u64 {
        match &self.0 {
            StoredValue::Inline { bytes, .. } => bytes.len() as u64,
            StoredValue::Object { size, .. } => *size,
        }
    }
}

/// A value for Python, when there is one.
pub(crate) fn value_ref(value: Option<StoredValue>) -> Option<ValueRef> {
    value.map(ValueRef)
}

fn seconds(at: Option<Timestamp>) -> Json {
    // Microseconds of today have 51 bits: a double holds them exactly.
    #[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 are below 2^53")]
    at.map_or(Json::Null, |at| json!(at.as_micros() as f64 / 1e6))
}

fn duration(micros: Option<u64>) -> Json {
    #[expect(clippy::cast_precision_loss, reason = "durations are far below 2^53 microseconds")]
    micros.map_or(Json::Null, |micros| json!(micros as f64 / 1e6))
}

fn error(error: Option<&ErrorInfo>) -> Json {
    error.map_or(Json::Null, |error| json!(error))
}

pub(crate) fn batch(record: &BatchRecord, counts: &StatusCounts, alive: bool) -> Json {
    json!({
        "id": record.id,
        "name": record.name,
        "workflow": record.workflow,
        "reference": record.reference,
        "status": record.status,
        "spec": record.spec,
        "counts": counts,
        "driven": alive,
        "created_at": seconds(Some(record.created_at)),
        "started_at": seconds(record.started_at),
        "finished_at": seconds(record.finished_at),
    })
}

pub(crate) fn execution(record: &ExecutionRecord) -> Json {
    json!({
        "id": record.id.known(),
        "key": record.id,
        "batch": record.batch,
        "origin": record.origin,
        "parent": record.parent,
        "workflow": record.workflow,
        "variant": record.variant,
        "variant_index": record.variant_index,
        "case_id": record.case_id,
        "case_index": record.case_index,
        "repeat": record.repeat,
        "seed": record.seed,
        "status": record.status,
        "attempts": record.attempts,
        "dead_letter": record.dead_letter,
        "created_at": seconds(Some(record.created_at)),
        "started_at": seconds(record.started_at),
        "finished_at": seconds(record.finished_at),
        "duration_s": duration(record.duration_us),
        "error": error(record.error.as_ref()),
        "usage": record.usage,
        "warnings": record.warnings,
        "settled": record.settled,
        "lineages": record.lineages,
        "thread": record.thread(),
        "from_head": record.from_head,
        "front": record.front,
    })
}

pub(crate) fn attempt(record: &AttemptRecord) -> Json {
    json!({
        "number": record.number,
        "worker": record.worker,
        "status": record.status,
        "started_at": seconds(Some(record.started_at)),
        "finished_at": seconds(record.finished_at),
        "error": error(record.error.as_ref()),
        "workspace": record.workspace.as_ref().map(|workspace| json!({
            "rung": workspace.rung,
            "inputs": workspace.inputs,
            "directory": workspace.directory,
        })),
        "found": snapshot(record.workspace.as_ref().map(|workspace| &workspace.files)),
        "files": snapshot(record.files.as_ref()),
    })
}

/// The id of a snapshot that a value names.
pub(crate) fn snapshot(value: Option<&StoredValue>) -> Option<String> {
    match value? {
        StoredValue::Object { hash, .. } => Some(wtb_store::hex(*hash)),
        StoredValue::Inline { .. } => None,
    }
}

pub(crate) fn node(record: &NodeRecord) -> Json {
    json!({
        "attempt": record.attempt,
        "order": record.order,
        "node": record.node,
        "step": record.step,
        "status": record.status,
        "calls": record.calls,
        "started_at": seconds(Some(record.started_at)),
        "duration_s": duration(Some(record.duration_us)),
        "error": error(record.error.as_ref()),
        "usage": record.usage,
    })
}

pub(crate) fn score(record: &ScoreRecord) -> Json {
    json!(record)
}

pub(crate) fn entry(entry: &JournalEntry) -> Json {
    let event = &entry.event;
    json!({
        "sequence": entry.sequence,
        "at": seconds(Some(event.at)),
        "kind": event.body.kind(),
        "session": event.session,
        "batch_id": event.batch,
        "execution_id": event.execution,
        "data": event.body.data(),
    })
}
