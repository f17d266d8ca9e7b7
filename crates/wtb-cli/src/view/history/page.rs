//! The page of a history: a line for each checkpoint.

use wtb_model::Timestamp;

use super::tree::{self, What};
use super::{History, Step};
use crate::text::{Column, Style, Table, Tone, cut, duration};
use crate::view::value::short_question;

/// Returns a history as text; `verbose` adds the full ids.
pub(crate) fn render(history: &History, verbose: bool, width: usize, style: Style) -> String {
    let mut text = head(history, style);
    let start = history.checkpoints.iter().filter_map(time).min();
    let mut columns = vec![
        Column::left("  step"),
        Column::left("after").shrinking(),
        Column::left("changed").shrinking(),
        Column::right("time"),
    ];
    if verbose {
        columns.push(Column::left("checkpoint"));
    }
    let mut table = Table::new(columns);
    for line in tree::lines(&history.checkpoints) {
        match line.what {
            What::Branch(title) => table.heading(format!("{}{title}", line.prefix)),
            What::Step(step) => {
                table.row(cells(step, &line.prefix, start, verbose), tone(step));
                for (key, value) in &step.values {
                    let indent = if step.path.is_empty() { "" } else { "  " };
                    let shown = format!("{}      {indent}{key} = {value}", line.below);
                    table.note(cut(&shown, width));
                }
            }
        }
    }
    text.push_str(&table.render(width, style));
    if let Some(head) = history.checkpoints.iter().find(|step| step.is_head) {
        text.push_str(&foot(head, &history.whose.status, width));
    }
    text
}

fn head(history: &History, style: Style) -> String {
    let whose = &history.whose;
    let mut text = style.paint(Tone::Strong, &format!("execution {}", whose.id));
    let mut line = |label: &str, value: &str| text.push_str(&format!("\n  {label:<9} {value}"));
    line("cell", &format!("{} / {}", whose.variant, whose.case));
    if let Some(parent) = &whose.parent {
        line("from", parent);
    }
    if whose.lineages > 1 {
        line("lineage", &format!("{} of {}", whose.lineages, whose.lineages));
    }
    text.push_str("\n\n");
    text
}

fn cells(step: &Step, prefix: &str, start: Option<Timestamp>, verbose: bool) -> Vec<String> {
    let mark = if step.is_head { '*' } else { ' ' };
    let after = step.after();
    let changed = step.changes.join(", ");
    let took = time(step).zip(start).map(|(at, start)| duration(at.micros_since(start)));
    let mut cells = vec![
        format!("{prefix}{mark} {}", step.at.as_deref().unwrap_or_default()),
        if step.path.is_empty() { after } else { format!("· {after}") },
        if changed.is_empty() { "-".to_owned() } else { changed },
        took.unwrap_or_else(|| "-".to_owned()),
    ];
    if verbose {
        cells.push(step.id.clone());
    }
    cells
}

fn tone(step: &Step) -> Option<Tone> {
    match (step.is_head, step.path.is_empty()) {
        (true, _) => Some(Tone::Strong),
        (false, false) => Some(Tone::Faint),
        (false, true) => None,
    }
}

/// `* where it stands: paused, next: generate`, and what it asks.
fn foot(head: &Step, status: &str, width: usize) -> String {
    let next = head.next().map(|next| format!(", next: {next}")).unwrap_or_default();
    let mut text = format!("* where it stands: {status}{next}\n");
    for question in &head.interrupts {
        let line = format!("  asks {}: {}", short_question(&question.id), question.value);
        text.push_str(&format!("{}\n", cut(&line, width)));
    }
    text
}

fn time(step: &Step) -> Option<Timestamp> {
    let read: jiff::Timestamp = step.created_at.as_deref()?.parse().ok()?;
    Some(Timestamp::from_micros(read.as_microsecond()))
}
