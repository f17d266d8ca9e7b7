//! What the store holds, as text and as JSON. Renders only; what to render is the verbs' business.

pub(crate) mod attempt;
pub(crate) mod batch;
pub(crate) mod comparison;
pub(crate) mod difference;
pub(crate) mod event;
pub(crate) mod execution;
pub(crate) mod failure;
pub(crate) mod files;
pub(crate) mod gate;
pub(crate) mod history;
pub(crate) mod outlook;
pub(crate) mod page;
pub(crate) mod value;

use serde_json::Value;
use wtb_model::{BatchId, ExecutionId, Timestamp};
use wtb_store::Store;

/// Characters of an id, after its prefix, that are shown at the least.
const SHORT_ID_MIN: usize = 6;

/// Returns the shortest prefix, of six characters or more, that names the batch alone.
pub(crate) fn short_batch(store: &dyn Store, id: &BatchId) -> String {
    shorten(id.as_str(), |prefix| store.find_batch(prefix).is_ok())
}

/// Returns the shortest prefix, of six characters or more, that names the execution alone.
pub(crate) fn short_execution(store: &dyn Store, id: &ExecutionId) -> String {
    shorten(id.known().as_str(), |prefix| store.find_execution(prefix).is_ok())
}

fn shorten(id: &str, is_unique: impl Fn(&str) -> bool) -> String {
    let begin = BatchId::PREFIX.len() + SHORT_ID_MIN;
    let prefixes = (begin..id.len()).filter_map(|end| id.get(..end));
    prefixes.into_iter().find(|prefix| is_unique(prefix)).unwrap_or(id).to_owned()
}

/// Returns a time as JSON has it: RFC 3339 in UTC.
pub(crate) fn json_time(at: Option<Timestamp>) -> Value {
    at.and_then(|at| jiff::Timestamp::from_microsecond(at.as_micros()).ok())
        .map_or(Value::Null, |time| Value::from(time.to_string()))
}

/// Returns microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "durations are far below 2^52 microseconds")]
pub(crate) fn json_seconds(micros: Option<u64>) -> Value {
    micros.map_or(Value::Null, |micros| Value::from(micros as f64 / 1e6))
}
