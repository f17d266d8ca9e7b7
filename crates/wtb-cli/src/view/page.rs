//! The page of one execution: attempts, nodes, scores, values, what was printed and the error, as text or as JSON.

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use wtb_model::{ErrorInfo, ExecutionRecord, NodeRecord, StoredValue, Timestamp};
use wtb_store::{ExecutionDetail, Store};

use super::attempt::Printed;
use super::failure::{cell_name, reason};
use super::value::{Decoded, DecodedNode, indent, questions_text, value_json, value_text};
use super::{attempt, execution, json_seconds, json_time, short_batch};
use crate::text::{Column, Style, Table, Tone, age, clock_time, duration, one_line, plural};

/// An execution with all that belongs to it.
pub(crate) struct Page<'a> {
    pub(crate) execution: &'a ExecutionRecord,
    pub(crate) detail: &'a ExecutionDetail,
    /// What the cell's case holds.
    pub(crate) case_input: Option<&'a StoredValue>,
    pub(crate) expected: Option<&'a StoredValue>,
    pub(crate) decoded: &'a Decoded,
    /// What attempts printed, as far as it is to be shown.
    pub(crate) printed: &'a [Printed],
}

/// How a page is printed.
pub(crate) struct PageText<'a> {
    pub(crate) now: Timestamp,
    pub(crate) zone: &'a TimeZone,
    pub(crate) width: usize,
    pub(crate) style: Style,
    /// Whether node values, and all that attempts printed, are shown too.
    pub(crate) verbose: bool,
}

impl Page<'_> {
    fn input(&self) -> Option<&StoredValue> {
        self.execution.input.as_ref().or(self.case_input)
    }

    /// Every value with its name, as decoded or else as stored.
    fn values(&self) -> [(&'static str, Option<&Value>, Option<&StoredValue>); 4] {
        let (execution, decoded) = (self.execution, self.decoded);
        [
            ("input", decoded.input.as_ref(), self.input()),
            ("expected", decoded.expected.as_ref(), self.expected),
            ("output", decoded.output.as_ref(), execution.output.as_ref()),
            ("state", decoded.state.as_ref(), execution.state.as_ref()),
        ]
    }

    fn node_values(&self, node: &NodeRecord) -> Option<&DecodedNode> {
        let is_it =
            |decoded: &&DecodedNode| decoded.attempt == node.attempt && decoded.order == node.order;
        self.decoded.nodes.iter().find(is_it)
    }

    /// Returns the page as JSON.
    pub(crate) fn json(&self) -> Value {
        let mut document = execution::json(self.execution);
        for (name, decoded, stored) in self.values() {
            document[name] = value_json(decoded, stored);
        }
        document["interrupts"] = match &self.decoded.interrupts {
            Some(questions) => json!(questions),
            None => value_json(None, self.execution.interrupts.as_ref()),
        };
        document["next"] = json!(self.decoded.next);
        attempt::add_streams(&mut document, self.detail.last_ended(), self.printed);
        let made = self.detail.attempts.iter();
        document["attempts_made"] = made.map(|one| attempt::json(one, self.printed)).collect();
        let node = |node: &NodeRecord| {
            let values = self.node_values(node);
            json!({
                "attempt": node.attempt,
                "order": node.order,
                "node": node.node,
                "step": node.step,
                "status": node.status,
                "calls": node.calls,
                "started_at": json_time(Some(node.started_at)),
                "duration_s": json_seconds(Some(node.duration_us)),
                "input": value_json(values.and_then(|v| v.input.as_ref()), node.input.as_ref()),
                "output": value_json(values.and_then(|v| v.output.as_ref()), node.output.as_ref()),
                "error": node.error,
                "usage": node.usage,
            })
        };
        document["nodes"] = self.detail.nodes.iter().map(node).collect();
        document["scores"] = json!(self.detail.scores);
        document
    }

    /// Returns the page as text.
    pub(crate) fn render(&self, store: &dyn Store, how: &PageText<'_>) -> String {
        let mut text = self.head(store, how);
        let (style, limit, execution) = (how.style, how.width, self.execution);
        let mut section = |title: &str, body: String| {
            if !body.is_empty() {
                text.push_str(&format!("\n{}\n{body}", style.paint(Tone::Strong, title)));
            }
        };
        if self.detail.attempts.len() > 1 {
            section("attempts", attempt::table(&self.detail.attempts).render(limit, style));
        }
        if !self.detail.nodes.is_empty() {
            section("nodes", self.nodes_table().render(limit, style));
        }
        if !self.detail.scores.is_empty() {
            section("scores", self.scores_table().render(limit, style));
        }
        for (name, decoded, stored) in self.values() {
            section(name, value_text(decoded, stored));
        }
        let asked = self.decoded.interrupts.as_deref().map(questions_text);
        section(
            "questions",
            asked.unwrap_or_else(|| value_text(None, execution.interrupts.as_ref())),
        );
        if how.verbose {
            for node in &self.detail.nodes {
                let values = self.node_values(node);
                let input = values.and_then(|values| values.input.as_ref());
                let output = values.and_then(|values| values.output.as_ref());
                let title = |what: &str| format!("{}, attempt {}: {what}", node.node, node.attempt);
                section(&title("input"), value_text(input, node.input.as_ref()));
                section(&title("output"), value_text(output, node.output.as_ref()));
            }
        }
        for printed in self.printed {
            for (title, body) in printed.sections(how.verbose, limit) {
                section(&title, body);
            }
        }
        if let Some(error) = &execution.error {
            section("error", error_text(error));
        }
        for warning in &execution.warnings {
            text.push_str(&format!("\n{} {warning}\n", style.paint(Tone::Warn, "warning:")));
        }
        text
    }

    fn head(&self, store: &dyn Store, how: &PageText<'_>) -> String {
        let execution = self.execution;
        let tries = plural(u64::from(execution.attempts), "attempt");
        let status = format!("{} after {tries}", execution.status);
        let mut lines = vec![("workflow", execution.workflow.clone()), ("status", status)];
        if execution.status.is_error() {
            lines.push(("reason", one_line(&reason(execution), how.width.saturating_sub(12))));
        }
        lines.push(("cell", cell_name(execution)));
        lines.extend(self.descent(store));
        if let Some(started) = execution.started_at {
            let ago = age(started, how.now);
            let took = execution.duration_us.map(|micros| format!(", took {}", duration(micros)));
            let at = clock_time(started, how.zone);
            lines.push(("started", format!("{at} ({ago}){}", took.unwrap_or_default())));
        }
        lines.push(("seed", execution.seed.to_string()));
        if let Some(usage) = &execution.usage {
            lines.push(("usage", usage_text(usage)));
        }
        if !self.decoded.next.is_empty() {
            lines.push(("next", self.decoded.next.join(", ")));
        }
        let id = execution.id.known();
        let mut text = how.style.paint(Tone::Strong, &format!("execution {id}"));
        for (label, value) in lines {
            text.push_str(&format!("\n  {label:<9} {value}"));
        }
        text.push('\n');
        text
    }

    /// Where it comes from: its batch, what it was forked from, its lineages.
    fn descent(&self, store: &dyn Store) -> Vec<(&'static str, String)> {
        let execution = self.execution;
        let mut lines = Vec::new();
        if let Some(batch) = &execution.batch {
            lines.push(("batch", short_batch(store, batch)));
        } else if let Some(batch) = &execution.origin {
            let batch = short_batch(store, batch);
            lines.push(if execution.id.is_continuation() {
                ("batch", format!("{batch}, which keeps its own result of this cell"))
            } else {
                ("case of", batch)
            });
        }
        if let Some(parent) = &execution.parent {
            lines.push(("from", format!("{parent}, of which it is a fork")));
        }
        if let Some(thread) = execution.thread() {
            let older = match execution.lineages {
                1 => String::new(),
                lineages => format!(" ({} before it)", lineages - 1),
            };
            lines.push(("lineage", format!("{thread}{older}")));
        }
        lines
    }

    fn nodes_table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::right("attempt"),
            Column::right("order"),
            Column::left("node").shrinking(),
            Column::left("status"),
            Column::right("calls"),
            Column::right("took"),
            Column::left("usage").shrinking(),
            Column::left("error").shrinking(),
        ]);
        for node in &self.detail.nodes {
            let cells = vec![
                node.attempt.to_string(),
                node.order.to_string(),
                node.node.clone(),
                node.status.as_str().to_owned(),
                node.calls.to_string(),
                duration(node.duration_us),
                node.usage.as_ref().map_or_else(|| "-".to_owned(), usage_text),
                error_cell(node.error.as_ref()),
            ];
            table.row(cells, node.error.is_some().then_some(Tone::Bad));
        }
        table
    }

    fn scores_table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::left("metric"),
            Column::right("value"),
            Column::left("source"),
            Column::left("why").shrinking(),
        ]);
        for score in &self.detail.scores {
            let why = score.error.as_ref().or(score.reason.as_ref());
            let cells = vec![
                score.name.clone(),
                score.value.map_or_else(|| "-".to_owned(), |value| value.to_string()),
                score.source.clone(),
                why.map_or_else(|| "-".to_owned(), |why| one_line(why, 200)),
            ];
            table.row(cells, score.error.is_some().then_some(Tone::Bad));
        }
        table
    }
}

pub(super) fn error_cell(error: Option<&ErrorInfo>) -> String {
    error.map_or_else(
        || "-".to_owned(),
        |error| one_line(&format!("{}: {}", error.kind, error.message), 200),
    )
}

fn error_text(error: &ErrorInfo) -> String {
    let body = match &error.traceback {
        Some(traceback) => traceback.trim_end().to_owned(),
        None => format!("{}: {}", error.kind, error.message),
    };
    indent(&body)
}

/// `input_tokens 120, output_tokens 30`: the numbers of an object, whatever they are called.
fn usage_text(usage: &Value) -> String {
    let Value::Object(entries) = usage else {
        return usage.to_string();
    };
    let numbers = entries.iter().filter(|(_, value)| value.is_number());
    let words: Vec<_> = numbers.map(|(name, value)| format!("{name} {value}")).collect();
    if words.is_empty() { usage.to_string() } else { words.join(", ") }
}
