//! Journal entries: a line of a table, or a line of JSON.

use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wtb_model::{Event, JournalEntry, Timestamp};

use crate::text::{Style, Tone, clock_time, one_line};

/// Characters of an id that are shown.
const ID_SHOWN: usize = 8;

/// RFC 3339 to the microsecond, as the journal has it.
const TO_THE_MICROSECOND: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Returns an entry as one JSON object: the same document, key by key, as `Event.to_dict` of the
/// Python package makes.
pub(crate) fn json(entry: &JournalEntry) -> Value {
    let Event { at, session, batch, execution, body } = &entry.event;
    let data = match body.data() {
        Value::Object(fields) => Value::Object(fields),
        // A program in another language may publish something other than an object.
        other => json!({ "value": other }),
    };
    json!({
        "sequence": entry.sequence,
        "at": exact_time(*at),
        "kind": body.kind(),
        "batch_id": batch,
        "execution_id": execution.as_ref().map(wtb_model::ExecutionId::known),
        "session": session,
        "data": data,
    })
}

/// Returns a time as RFC 3339 in UTC, always with six digits after the point.
fn exact_time(at: Timestamp) -> Option<String> {
    let time = jiff::Timestamp::from_microsecond(at.as_micros()).ok()?;
    Some(TO_THE_MICROSECOND.timestamp_to_string(&time))
}

/// Returns an entry as one line: sequence, time, kind, whose it is, and what it says.
pub(crate) fn line(entry: &JournalEntry, zone: &TimeZone, limit: usize, style: Style) -> String {
    let event = &entry.event;
    let short = |id: &str| id.get(..ID_SHOWN).unwrap_or(id).to_owned();
    let batch = event.batch.as_ref().map(|id| short(id.as_str()));
    let execution = event.execution.as_ref().map(|id| short(id.as_str()));
    let whose = execution.or(batch).unwrap_or_else(|| "-".to_owned());
    let says = match event.body.data() {
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

#[cfg(test)]
mod tests {
    use wtb_model::{EventBody, ID_ENTROPY_BYTES, SessionId};

    use super::*;
    use crate::testing::NOW;

    #[test]
    fn an_entry_is_the_same_document_as_in_python() {
        let session = SessionId::from_entropy([9; ID_ENTROPY_BYTES]);
        let write = |micros, body| {
            let at = Timestamp::from_micros(NOW.as_micros() + micros);
            let event = Event { at, session: session.clone(), batch: None, execution: None, body };
            json(&JournalEntry { sequence: 7, event }).to_string()
        };
        let head = r#"{"sequence":7,"at":"2026-03-01T12:00:00.000000Z","kind":"attempt.fenced""#;
        let tail = r#""data":{"token":3,"reason":"late"}}"#;
        assert_eq!(
            write(0, EventBody::AttemptFenced { token: 3, reason: "late".to_owned() }),
            format!(r#"{head},"batch_id":null,"execution_id":null,"session":"{session}",{tail}"#)
        );
        let list = json!([1, 2]);
        let text = write(120, EventBody::Custom { name: "custom.a".to_owned(), data: list });
        assert!(text.contains(r#""at":"2026-03-01T12:00:00.000120Z""#), "{text}");
        assert!(text.ends_with(r#""data":{"value":[1,2]}}"#), "{text}");
    }
}
