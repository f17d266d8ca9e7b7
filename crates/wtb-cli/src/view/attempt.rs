//! Attempts: their table, their JSON, and what they printed.

use console::strip_ansi_codes;
use serde_json::{Value, json};
use wtb_model::{AttemptRecord, Captured, StoredValue};
use wtb_store::{ExecutionDetail, Store, StoreError};

use super::json_time;
use super::page::error_cell;
use super::value::indent;
use crate::text::{Column, Table, cut, duration, plural, tame};

/// How many lines of what an attempt printed are shown unless all are asked for: the last ones, where
/// it says what went wrong.
const PRINTED_LINES_MAX: usize = 20;

/// What an attempt printed; `None` is what was not captured.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Printed {
    attempt: u32,
    stdout: Option<String>,
    stderr: Option<String>,
}

impl Printed {
    /// Reads what the last attempt printed that has ended, or what each did.
    pub(crate) fn load(
        store: &dyn Store,
        detail: &ExecutionDetail,
        all: bool,
    ) -> Result<Vec<Self>, StoreError> {
        let last = detail.last_ended().map(|last| last.number);
        let wanted = detail.attempts.iter().filter(|one| all || Some(one.number) == last);
        wanted.map(|attempt| Self::of(store, attempt)).collect()
    }

    fn of(store: &dyn Store, attempt: &AttemptRecord) -> Result<Self, StoreError> {
        let read = |stored: &StoredValue| store.value(stored).map(|value| Captured::read(&value));
        Ok(Self {
            attempt: attempt.number,
            stdout: attempt.stdout.as_ref().map(read).transpose()?,
            stderr: attempt.stderr.as_ref().map(read).transpose()?,
        })
    }

    /// Whether it is of this attempt.
    pub(crate) fn is_of(&self, attempt: &AttemptRecord) -> bool {
        self.attempt == attempt.number
    }

    /// Returns its streams by name.
    pub(crate) fn streams(&self) -> [(&'static str, Option<&str>); 2] {
        [("stdout", self.stdout.as_deref()), ("stderr", self.stderr.as_deref())]
    }

    /// Returns sections of a page, a title and a body each: whole, or the last lines, none of them
    /// wider than `columns`.
    pub(crate) fn sections(&self, verbose: bool, columns: usize) -> Vec<(String, String)> {
        let sections = self.streams().into_iter().filter_map(|(name, text)| {
            let text = text.filter(|text| !text.is_empty())?;
            if verbose {
                let body: String = text.lines().map(|line| visible(line) + "\n").collect();
                return Some((format!("attempt {}: {name}", self.attempt), indent(&body)));
            }
            Some((name.to_owned(), indent(&last_lines(text, columns.saturating_sub(2)))))
        });
        sections.collect()
    }
}

fn last_lines(text: &str, columns: usize) -> String {
    let lines: Vec<_> = text.lines().collect();
    let left_out = lines.len().saturating_sub(PRINTED_LINES_MAX);
    let mut shown = String::new();
    if left_out > 0 {
        let count = plural(left_out as u64, "line");
        shown.push_str(&format!("[... {count} left out; `--verbose` prints all ...]\n"));
    }
    for line in &lines[left_out..] {
        shown.push_str(&cut(&visible(line), columns));
        shown.push('\n');
    }
    shown
}

/// Returns a line as a terminal would have shown it, without what else a terminal might do: no
/// colours, of a line that was written over (a progress bar) the last state, and pictures of control
/// characters in their place.
fn visible(line: &str) -> String {
    let line = strip_ansi_codes(line);
    let last = line.rsplit('\r').find(|state| !state.is_empty()).unwrap_or_default();
    tame(last, false).into_owned()
}

/// Returns attempts as a table.
pub(crate) fn table(attempts: &[AttemptRecord]) -> Table {
    let mut table = Table::new(vec![
        Column::right("attempt"),
        Column::left("status"),
        Column::left("worker"),
        Column::right("took"),
        Column::left("error").shrinking(),
    ]);
    for attempt in attempts {
        let took = attempt.finished_at.map(|end| end.micros_since(attempt.started_at));
        let cells = vec![
            attempt.number.to_string(),
            attempt.status.to_string(),
            attempt.worker.clone(),
            took.map_or_else(|| "-".to_owned(), duration),
            error_cell(attempt.error.as_ref()),
        ];
        table.row(cells, None);
    }
    table
}

/// Returns an attempt as JSON.
pub(crate) fn json(attempt: &AttemptRecord, printed: &[Printed]) -> Value {
    let mut document = json!({
        "number": attempt.number,
        "worker": attempt.worker,
        "status": attempt.status,
        "started_at": json_time(Some(attempt.started_at)),
        "finished_at": json_time(attempt.finished_at),
        "error": attempt.error,
    });
    add_streams(&mut document, Some(attempt), printed);
    document
}

/// Adds what an attempt printed to a document; null is what was not captured.
pub(crate) fn add_streams(
    document: &mut Value,
    attempt: Option<&AttemptRecord>,
    printed: &[Printed],
) {
    let found = attempt.and_then(|attempt| printed.iter().find(|one| one.is_of(attempt)));
    let streams = found.map_or([("stdout", None), ("stderr", None)], Printed::streams);
    for (name, text) in streams {
        document[name] = json!(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(stdout: Option<&str>, stderr: Option<&str>) -> Printed {
        let [stdout, stderr] = [stdout, stderr].map(|text| text.map(str::to_owned));
        Printed { attempt: 2, stdout, stderr }
    }

    fn section(title: &str, body: &str) -> (String, String) {
        (title.to_owned(), body.to_owned())
    }

    #[test]
    fn streams_that_say_nothing_are_no_sections() {
        assert!(printed(None, Some("")).sections(true, 80).is_empty());
        let both = printed(Some("a\n\n b"), Some("c\n"));
        let expected = [section("stdout", "  a\n  \n   b\n"), section("stderr", "  c\n")];
        assert_eq!(both.sections(false, 80), expected);
        assert_eq!(both.sections(true, 80)[1], section("attempt 2: stderr", "  c\n"));
    }

    #[test]
    fn a_long_output_is_shown_from_its_end() {
        let lines: String = (1..=25).map(|number| format!("line {number}\n")).collect();
        let long = printed(Some(&lines), None);
        let body = &long.sections(false, 80)[0].1;
        let begin = "  [... 5 lines left out; `--verbose` prints all ...]\n  line 6\n";
        assert!(body.starts_with(begin) && body.ends_with("  line 25\n"), "{body}");
        assert_eq!(body.lines().count(), PRINTED_LINES_MAX + 1);
        assert_eq!(long.sections(true, 80)[0].1.lines().count(), 25);
        let wide = printed(Some(&"x".repeat(1_000_000)), None);
        assert_eq!(wide.sections(false, 80)[0].1.trim_end().chars().count(), 80);
        assert_eq!(wide.sections(true, 80)[0].1.len(), 1_000_003);
    }

    #[test]
    fn nothing_printed_reaches_the_terminal_but_text() {
        assert_eq!(
            visible("\u{1b}[1;31mred\u{1b}[0m\ta\0b\u{7}\u{7f}\u{9b}☃"),
            "red\ta␀b␇␡\u{fffd}☃"
        );
        assert_eq!(visible("  0%|\r 50%|\r100%|\r"), "100%|");
        assert_eq!(visible("\r"), "");
    }
}
