//! Journal entries: a line of a table, or a line of JSON.

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};
use wtb_model::{Event, EventBody, JournalEntry};

use super::json_time;
use crate::text::{Style, Tone, clock_time, one_line};

/// Characters of an id that are shown.
const ID_SHOWN: usize = 8;

/// What happened, without its kind.
fn data(body: &EventBody) -> Value {
    if let EventBody::Custom { data, .. } = body {
        return data.clone();
    }
    match serde_json::to_value(body) {
        Ok(Value::Object(mut fields)) => {
            fields.shift_remove("kind");
            Value::Object(fields)
        }
        _ => Value::Object(Map::new()),
    }
}

/// Returns an entry as one JSON object.
pub(crate) fn json(entry: &JournalEntry) -> Value {
    let Event { at, session, batch, execution, body } = &entry.event;
    json!({
        "sequence": entry.sequence,
        "at": json_time(Some(*at)),
        "kind": body.kind(),
        "batch": batch,
        "execution": execution,
        "session": session,
        "data": data(body),
    })
}

/// Returns an entry as one line: sequence, time, kind, whose it is, and what it says.
pub(crate) fn line(entry: &JournalEntry, zone: &TimeZone, limit: usize, style: Style) -> String {
    let event = &entry.event;
    let short = |id: &str| id.get(..ID_SHOWN).unwrap_or(id).to_owned();
    let batch = event.batch.as_ref().map(|id| short(id.as_str()));
    let execution = event.execution.as_ref().map(|id| short(id.as_str()));
    let whose = execution.or(batch).unwrap_or_else(|| "-".to_owned());
    let says = match data(&event.body) {
        Value::Object(fields) => {
            let words = fields.iter().filter(|(_, value)| !value.is_null());
            words
                .map(|(name, value)| format!("{name}={}", plain(value)))
                .collect::<Vec<_>>()
                .join(" ")
        }
        other => other.to_string(),
    };
    let head = format!("{:>6}  {}  ", entry.sequence, clock_time(event.at, zone));
    let kind = format!("{:<22}", event.body.kind());
    let tail = format!("  {whose:<ID_SHOWN$}  ");
    let room = limit.saturating_sub(head.len() + kind.len() + tail.len());
    format!("{head}{}{tail}{}\n", paint(&kind, style), one_line(&says, room))
}

fn paint(kind: &str, style: Style) -> String {
    let is_bad = ["failed", "timed_out", "fenced"].iter().any(|word| kind.contains(word));
    if is_bad { style.paint(Tone::Bad, kind) } else { kind.to_owned() }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
