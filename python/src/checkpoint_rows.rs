//! Checkpoints as Python takes them.

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyDict, PyList, PyString};
use serde_json::Value as Json;
use wtb_model::{StoredValue, Value};
use wtb_store::{CheckpointRecord, CheckpointStep, PendingWrite, StoreError};

use crate::errors::{Failure, Result};
use crate::rows;

/// `(kind, bytes)`.
pub(crate) type Taken = (String, Py<PyBytes>);
/// `(task, channel, kind, bytes)`.
pub(crate) type TakenWrite = (String, String, String, Py<PyBytes>);
/// `(thread, namespace, id, parent, sequence, metadata, body, channels, writes)`.
pub(crate) type Row = (
    String,
    String,
    String,
    Option<String>,
    u64,
    Py<PyAny>,
    Taken,
    Vec<(String, String, Py<PyBytes>)>,
    Vec<TakenWrite>,
);
/// `(namespace, id, parent, sequence, metadata, body, channels, writes, snapshot)`; of a channel its
/// name, the kind of a small value, and that value or the hash of a large one; of a write its task, path
/// and channel.
pub(crate) type StepRow = (
    String,
    String,
    Option<String>,
    u64,
    Py<PyAny>,
    Taken,
    Vec<(String, Option<String>, Py<PyBytes>)>,
    Vec<(String, String, String)>,
    Option<String>,
);

pub(crate) fn taken(py: Python<'_>, value: Value) -> Taken {
    (value.kind, PyBytes::new(py, &value.bytes).unbind())
}

pub(crate) fn taken_write(py: Python<'_>, write: PendingWrite) -> TakenWrite {
    let (kind, bytes) = taken(py, write.value);
    (write.task, write.channel, kind, bytes)
}

pub(crate) fn row(py: Python<'_>, record: CheckpointRecord) -> Result<Row> {
    let CheckpointRecord { name, sequence, parent, metadata, body, channels, writes, .. } = record;
    let metadata = metadata_object(py, &name.id, &metadata)?;
    let channel = |(name, value)| {
        let (kind, bytes) = taken(py, value);
        (name, kind, bytes)
    };
    Ok((
        name.thread,
        name.namespace,
        name.id,
        parent,
        sequence,
        metadata,
        taken(py, body),
        channels.into_iter().map(channel).collect(),
        writes.into_iter().map(|write| taken_write(py, write)).collect(),
    ))
}

pub(crate) fn step_row(py: Python<'_>, step: CheckpointStep) -> Result<StepRow> {
    let CheckpointStep { outline, body, writes } = step;
    let snapshot = rows::snapshot(outline.snapshot.as_ref());
    let metadata = metadata_object(py, &outline.name.id, &outline.metadata)?;
    let channel = |(name, value): (String, StoredValue)| match value {
        StoredValue::Inline { kind, bytes } => {
            (name, Some(kind), PyBytes::new(py, &bytes).unbind())
        }
        StoredValue::Object { hash, .. } => (name, None, PyBytes::new(py, &hash).unbind()),
    };
    Ok((
        outline.name.namespace,
        outline.name.id,
        outline.parent,
        outline.sequence,
        metadata,
        taken(py, body),
        outline.channels.into_iter().map(channel).collect(),
        writes.into_iter().map(|write| (write.task, write.path, write.channel)).collect(),
        snapshot,
    ))
}

fn metadata_object(py: Python<'_>, checkpoint: &str, text: &str) -> Result<Py<PyAny>> {
    let metadata: Json = serde_json::from_str(text).map_err(|error| {
        let what = format!("the metadata of checkpoint {checkpoint}");
        Failure::from(StoreError::Unreadable { what, reason: error.to_string() })
    })?;
    object(py, &metadata).map_err(Failure::Python)
}

/// Returns JSON as Python objects.
fn object(py: Python<'_>, json: &Json) -> PyResult<Py<PyAny>> {
    Ok(match json {
        Json::Null => py.None(),
        Json::Bool(truth) => PyBool::new(py, *truth).to_owned().into_any().unbind(),
        Json::Number(number) => match (number.as_i128(), number.as_f64()) {
            (Some(whole), _) => whole.into_pyobject(py)?.into_any().unbind(),
            (None, real) => real.into_pyobject(py)?.into_any().unbind(),
        },
        Json::String(text) => PyString::new(py, text).into_any().unbind(),
        Json::Array(items) => {
            let items = items.iter().map(|item| object(py, item)).collect::<PyResult<Vec<_>>>()?;
            PyList::new(py, items)?.into_any().unbind()
        }
        Json::Object(entries) => {
            let dict = PyDict::new(py);
            for (key, value) in entries {
                dict.set_item(key, object(py, value)?)?;
            }
            dict.into_any().unbind()
        }
    })
}
