//! How two executions differ, as Python found it out: which document that is, and how it is printed.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files::{self, FileChange};
use super::value::present;
use crate::text::{Column, Style, Table, Tone, cut, figures, seconds, width};

/// So much of what two long texts have in common is shown before their first difference.
const COMMON_SHOWN: usize = 16;

/// Two executions, and how they differ.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Difference {
    a: Side,
    b: Side,
    /// The last step that both have in common because one was forked from the other, or from a third.
    shared_until: Option<i64>,
    first_divergent: Option<Divergence>,
    state: Map<String, Value>,
    scores: Map<String, Value>,
    /// What became of files; `None` where either has none.
    #[serde(default)]
    files: Option<Vec<FileChange>>,
}

/// One of the two.
#[derive(Debug, Clone, Deserialize)]
struct Side {
    id: String,
    variant: String,
    case: String,
    status: String,
    duration_s: Option<f64>,
}

/// The first node whose work differs.
#[derive(Debug, Clone, Deserialize)]
struct Divergence {
    node: String,
    step: i64,
    /// `input`, `output`, `status`, or `node`: another one ran in its place, or none.
    differs: String,
    values: Map<String, Value>,
}

/// A value on both sides; what is missing is not there.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Pair {
    #[serde(deserialize_with = "present")]
    a: Option<Value>,
    #[serde(deserialize_with = "present")]
    b: Option<Value>,
    /// Two texts of several lines, line by line.
    lines: Vec<String>,
}

/// Returns a difference as text.
pub(crate) fn render(difference: &Difference, limit: usize, style: Style) -> String {
    let mut text = sides(difference).render(limit, style);
    if let Some(step) = difference.shared_until {
        text.push_str(&format!("they have the steps up to {step} in common\n"));
    }
    let heading = |title: &str| format!("\n{}\n", style.paint(Tone::Strong, title));
    match &difference.first_divergent {
        Some(first) => {
            text.push_str(&heading(&sentence(first)));
            text.push_str(&pairs(&first.values, limit, style));
        }
        None => text.push_str(&heading("no node did anything else")),
    }
    if difference.state.is_empty() {
        text.push_str(&heading("the states are equal"));
    } else {
        text.push_str(&heading("state"));
        text.push_str(&pairs(&difference.state, limit, style));
    }
    if !difference.scores.is_empty() {
        text.push_str(&heading("scores"));
        text.push_str(&scores(&difference.scores).render(limit, style));
    }
    if let Some(changes) = &difference.files {
        let title = if changes.is_empty() { "the files are equal" } else { "files" };
        text.push_str(&heading(title));
        text.push_str(&files::changes(changes, limit, style));
    }
    text
}

fn sides(difference: &Difference) -> Table {
    let mut table = Table::new(vec![
        Column::left(""),
        Column::left("execution"),
        Column::left("cell").shrinking(),
        Column::left("status"),
        Column::right("took"),
    ]);
    for (name, side) in [("a", &difference.a), ("b", &difference.b)] {
        let cells = vec![
            name.to_owned(),
            side.id.clone(),
            format!("{} / {}", side.variant, side.case),
            side.status.clone(),
            side.duration_s.map_or_else(|| "-".to_owned(), seconds),
        ];
        table.row(cells, None);
    }
    table
}

fn sentence(first: &Divergence) -> String {
    let Divergence { node, step, differs, .. } = first;
    match differs.as_str() {
        "node" => format!("first difference: step {step}, where other nodes ran"),
        what => format!("first difference: the {what} of node \"{node}\", step {step}"),
    }
}

fn pairs(entries: &Map<String, Value>, limit: usize, style: Style) -> String {
    let read = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
    entries.iter().map(|(key, value)| pair(key, &read(value), limit, style)).collect()
}

/// `key: old -> new` where that fits into a line; else the old below the key, and the new below it.
fn pair(key: &str, pair: &Pair, limit: usize, style: Style) -> String {
    let Pair { a, b, lines } = pair;
    let key = if key.is_empty() { "value" } else { key };
    if lines.is_empty() {
        let short = format!("  {key}: {} -> {}\n", plain(a.as_ref()), plain(b.as_ref()));
        if width(&short) <= limit.min(80) {
            return short;
        }
    }
    let mut text = format!("  {key}\n");
    let mut push = |line: &str| {
        let tone = match line.chars().next() {
            Some('-') => Tone::Bad,
            Some('+') => Tone::Good,
            _ => Tone::Faint,
        };
        let shown = cut(line, limit.saturating_sub(4));
        text.push_str(&format!("    {}\n", style.paint(tone, &shown)));
    };
    if lines.is_empty() {
        let (old, new) = (plain(a.as_ref()), plain(b.as_ref()));
        let from = first_shown(&old, &new);
        push(&format!("- {}", beginning_at(&old, from)));
        push(&format!("+ {}", beginning_at(&new, from)));
    } else {
        for line in lines {
            push(line);
        }
    }
    text
}

fn plain(value: Option<&Value>) -> String {
    value.map_or_else(|| "(absent)".to_owned(), ToString::to_string)
}

/// Where two texts begin to be interesting, in characters.
fn first_shown(old: &str, new: &str) -> usize {
    let common = old.chars().zip(new.chars()).take_while(|(one, other)| one == other).count();
    if common > 2 * COMMON_SHOWN { common - COMMON_SHOWN } else { 0 }
}

fn beginning_at(text: &str, from: usize) -> String {
    match from {
        0 => text.to_owned(),
        from => format!("…{}", text.chars().skip(from).collect::<String>()),
    }
}

fn scores(entries: &Map<String, Value>) -> Table {
    let mut table = Table::new(vec![
        Column::left("metric"),
        Column::right("a"),
        Column::right("b"),
        Column::right("b - a"),
    ]);
    for (name, value) in entries {
        let (a, b) = (value["a"].as_f64(), value["b"].as_f64());
        let apart = a.zip(b).map(|(a, b)| b - a);
        let mut cells = vec![name.clone()];
        cells.extend(figures(&[a, b, apart]));
        table.row(cells, None);
    }
    table
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rendered(document: Value) -> String {
        render(&serde_json::from_value(document).unwrap(), 80, Style::plain())
    }

    fn side(id: &str, variant: &str) -> Value {
        json!({"id": id, "variant": variant, "case": "ada", "status": "succeeded",
               "duration_s": 0.012})
    }

    #[test]
    fn the_first_node_comes_before_what_it_led_to() {
        let long = "the same beginning of a text that is rather long, and then ";
        let text = rendered(json!({
            "a": side("e_234chj68s34chj68", "baseline"),
            "b": side("e_274chj68s34chj68", "polite"),
            "shared_until": 2,
            "first_divergent": {"node": "greet", "step": 3, "differs": "output",
                "values": {"greeting": {"a": "Hi", "b": "Hello"}, "extra": {"b": null}}},
            "state": {
                "greeting": {"a": format!("{long}one end"), "b": format!("{long}another end")},
                "poem": {"a": "", "b": "", "lines": [" first", "-second", "+third"]},
            },
            "scores": {"exact_match": {"a": 0.25, "b": 1.0}, "length": {"a": null, "b": 3.0}},
        }));
        insta::assert_snapshot!(text, @r#"
           execution           cell            status     took
        a  e_234chj68s34chj68  baseline / ada  succeeded  12ms
        b  e_274chj68s34chj68  polite / ada    succeeded  12ms
        they have the steps up to 2 in common

        first difference: the output of node "greet", step 3
          greeting: "Hi" -> "Hello"
          extra: (absent) -> null

        state
          greeting
            - … long, and then one end"
            + … long, and then another end"
          poem
             first
            -second
            +third

        scores
        metric            a       b   b - a
        exact_match  0.2500  1.0000  0.7500
        length            -  3.0000       -
        "#);
    }

    #[test]
    fn equal_executions_are_said_to_be_equal() {
        let text = rendered(json!({
            "a": side("e_1", "x"), "b": side("e_2", "x"), "shared_until": null,
            "first_divergent": null, "state": {}, "scores": {},
        }));
        assert!(text.contains("no node did anything else"), "{text}");
        assert!(text.contains("the states are equal"), "{text}");
    }
}
