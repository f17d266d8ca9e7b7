//! Whether the metadata of a checkpoint fits a filter: one meaning on every store.

use serde_json::Value as Json;

/// Whether a checkpoint's metadata has all the entries of a filter.
///
/// One meaning on every store, that of Python's `metadata.get(key) == value`, which LangGraph's
/// in-memory saver has: keys are literal and at the top level; an absent entry equals null; numbers
/// are equal by value, `true` to 1 and `false` to 0; objects are equal whatever the order of keys.
pub fn metadata_fits(metadata: &Json, filter: &[(String, Json)]) -> bool {
    filter.iter().all(|(key, wanted)| equal(metadata.get(key).unwrap_or(&Json::Null), wanted))
}

fn equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Array(left), Json::Array(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| equal(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let fits = |(key, value)| right.get(key).is_some_and(|other| equal(value, other));
            left.len() == right.len() && left.iter().all(fits)
        }
        _ => match (number(left), number(right)) {
            (Some(left), Some(right)) => left == right,
            _ => left == right,
        },
    }
}

/// A number by its value: a float that is whole is a whole number, so that comparing is exact.
#[derive(PartialEq)]
enum Number {
    Whole(i128),
    Float(f64),
}

fn number(value: &Json) -> Option<Number> {
    match value {
        Json::Bool(truth) => Some(Number::Whole(i128::from(*truth))),
        Json::Number(number) => {
            number.as_i128().map(Number::Whole).or_else(|| number.as_f64().map(of_float))
        }
        _ => None,
    }
}

fn of_float(float: f64) -> Number {
    // Beyond, a float is compared with floats alone: JSON has no whole numbers of that size here.
    let is_small = float.abs() < 1e30;
    if is_small && float.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        return Number::Whole(float as i128);
    }
    Number::Float(float)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(filter: &Json) -> bool {
        let metadata = json!({
            "a.b": 1, "flag": true, "nest": {"x": 1, "y": 2}, "lst": [1, 2], "nul": null,
            "big": 9_007_199_254_740_993_i64, "half": 0.5, "é": "ü",
        });
        let Json::Object(filter) = filter else { return false };
        let entries: Vec<_> =
            filter.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
        metadata_fits(&metadata, &entries)
    }

    #[test]
    fn a_filter_means_what_python_means() {
        assert!(fits(&json!({})));
        assert!(fits(&json!({"a.b": 1, "half": 0.5})));
        assert!(!fits(&json!({"nest.x": 1})), "no paths");
        assert!(fits(&json!({"nest": {"y": 2, "x": 1}})), "no order of keys");
        assert!(!fits(&json!({"nest": {"x": 1}})) && !fits(&json!({"lst": [1]})), "no containment");
        assert!(fits(&json!({"flag": 1})) && fits(&json!({"a.b": true})));
        assert!(fits(&json!({"a.b": 1.0})) && !fits(&json!({"a.b": "1"})));
        assert!(fits(&json!({"absent": null, "nul": null})) && !fits(&json!({"flag": null})));
        assert!(fits(&json!({"é": "ü"})) && !fits(&json!({"é' OR 1=1 --": "ü"})));
        assert!(!fits(&json!({"big": 9_007_199_254_740_992_i64})), "whole numbers are exact");
        assert!(!fits(&json!({"big": 9_007_199_254_740_992.0})), "also beside floats");
    }
}
