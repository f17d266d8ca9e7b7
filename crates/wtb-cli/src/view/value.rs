//! Values of users, as Python decoded them; what it did not decode is shown by kind and size, for
//! Rust never reads user values.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use wtb_model::StoredValue;

use crate::text::{bytes, width};

/// Values that Python decoded; what is missing is shown by kind and size.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Decoded {
    #[serde(deserialize_with = "present")]
    pub(crate) input: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub(crate) expected: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub(crate) output: Option<Value>,
    #[serde(deserialize_with = "present")]
    pub(crate) state: Option<Value>,
    pub(crate) interrupts: Option<Vec<Question>>,
    /// The nodes that run next, where it stands still.
    pub(crate) next: Vec<String>,
    pub(crate) nodes: Vec<DecodedNode>,
}

/// A question that awaits an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Question {
    pub(crate) id: String,
    pub(crate) value: Value,
}

/// As many characters of a question's id tell it from the others of its execution.
const QUESTION_ID_SHOWN: usize = 8;

/// Returns the beginning of a question's id, which is enough to answer it.
pub(crate) fn short_question(id: &str) -> &str {
    id.get(..QUESTION_ID_SHOWN).unwrap_or(id)
}

/// What one node was given and returned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecodedNode {
    pub(crate) attempt: u32,
    pub(crate) order: u32,
    #[serde(default, deserialize_with = "present")]
    pub(crate) input: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    pub(crate) output: Option<Value>,
}

/// Tells a decoded null from a value that was not decoded.
pub(super) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

fn size(stored: &StoredValue) -> u64 {
    match stored {
        StoredValue::Inline { bytes, .. } => bytes.len() as u64,
        StoredValue::Object { size, .. } => *size,
    }
}

pub(super) fn value_json(decoded: Option<&Value>, stored: Option<&StoredValue>) -> Value {
    match (decoded, stored) {
        (Some(value), _) => value.clone(),
        (None, Some(stored)) => {
            json!({ "not_decoded": { "kind": stored.kind(), "bytes": size(stored) } })
        }
        (None, None) => Value::Null,
    }
}

pub(super) fn value_text(decoded: Option<&Value>, stored: Option<&StoredValue>) -> String {
    match (decoded, stored) {
        // What is null and was never stored is simply not there.
        (Some(Value::Null) | None, None) => String::new(),
        (Some(value), _) => indent(&pretty(value)),
        (None, Some(stored)) => indent(&format!("{}, {}", stored.kind(), bytes(size(stored)))),
    }
}

/// Returns questions as text, each with the beginning of its id.
pub(super) fn questions_text(questions: &[Question]) -> String {
    let line = |one: &Question| format!("{}  {}", short_question(&one.id), one.value);
    indent(&questions.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// Small values in one line, large ones over several.
fn pretty(value: &Value) -> String {
    let line = value.to_string();
    if width(&line) <= 76 { line } else { format!("{value:#}") }
}

pub(super) fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}
