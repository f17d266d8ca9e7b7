//! The JSON Schema of a bench file, made from the same keys that the reader goes by.

use serde_json::{Map, Value, json};

use super::keys::BENCH;
use super::shape::{Key, Shape};

/// Returns the JSON Schema (draft 7, which editors' TOML support knows) of a bench file.
pub(crate) fn bench_schema() -> Value {
    let mut schema = record(BENCH);
    let heading = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "WTB bench file",
        "description": "What `wtb run` runs: a workflow, its variants, its cases and how to score them.",
    });
    if let (Value::Object(heading), Value::Object(body)) = (heading, &mut schema) {
        let body_entries = std::mem::take(body);
        body.extend(heading);
        body.extend(body_entries);
    }
    schema
}

fn record(keys: &[Key]) -> Value {
    let properties: Map<_, _> = keys
        .iter()
        .map(|key| {
            let mut schema = of(&key.shape);
            if let Value::Object(entries) = &mut schema {
                entries.insert("description".to_owned(), Value::from(key.meaning));
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    let required: Vec<_> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn of(shape: &Shape) -> Value {
    const REFERENCE: &str = r"^[\w.]+:[\w.]+$";
    match shape {
        Shape::Anything => json!({}),
        Shape::Text => json!({ "type": "string", "minLength": 1 }),
        Shape::Reference => json!({ "type": "string", "pattern": REFERENCE }),
        Shape::Whole(least) => {
            json!({ "type": "integer", "minimum": least, "maximum": u32::MAX })
        }
        Shape::Amount => json!({ "type": "number", "minimum": 0 }),
        Shape::Duration => json!({ "anyOf": [
            { "type": "number", "exclusiveMinimum": 0 },
            { "type": "string", "pattern": r"^\s*([0-9.]+(ms|s|m|min|h|d)?\s*)+$" },
        ] }),
        Shape::Word(words) => json!({ "enum": words }),
        Shape::FailFast => json!({ "anyOf": [
            { "type": "boolean" },
            { "type": "integer", "minimum": 1, "maximum": u32::MAX },
            { "type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1 },
        ] }),
        Shape::CasesSource => json!({ "anyOf": [
            { "type": "string", "pattern": r"\.([jJ][sS][oO][nN][lL]|[cC][sS][vV])$" },
            { "type": "string", "pattern": REFERENCE },
        ] }),
        Shape::Evaluator => json!({ "anyOf": [
            { "type": "string", "minLength": 1 },
            {
                "type": "object",
                "properties": { "use": { "type": "string", "minLength": 1 } },
                "required": ["use"],
            },
        ] }),
        Shape::Record(keys) => record(keys),
        Shape::Map(inner) => json!({ "type": "object", "additionalProperties": of(inner) }),
        Shape::List(inner) => json!({ "type": "array", "items": of(inner), "minItems": 1 }),
        Shape::Labels => json!({ "type": "array", "items": of(&Shape::Text) }),
        Shape::Either(shapes) => {
            let each: Vec<_> = shapes.iter().map(of).collect();
            json!({ "anyOf": each })
        }
    }
}
