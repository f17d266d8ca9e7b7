//! The chances of a gate as a table.

use wtb_engine::comparison::{Assumed, Outlook};

use super::comparison::percent;
use crate::text::{Column, Style, Table, Tone, plural, wrap};

/// Returns the chances by cases and repeats, and how many cases are enough.
pub(crate) fn render(outlook: &Outlook, limit: usize, style: Style) -> String {
    let question = outlook.question;
    let has_repeats = outlook.cases_needed.len() > 1;
    let mut columns = vec![Column::right("cases")];
    if has_repeats {
        columns.push(Column::right("repeats"));
    }
    columns.extend(
        ["pass", "inconclusive", "false alarm", "caught", "missed", "detectable"]
            .map(Column::right),
    );
    let mut table = Table::new(columns);
    for row in &outlook.rows {
        let mut cells = vec![row.cases.to_string()];
        if has_repeats {
            cells.push(row.repeats.to_string());
        }
        let chances = [
            row.pass_if_unchanged,
            row.inconclusive_if_unchanged,
            row.false_alarm,
            row.caught_if_dropped,
            row.missed_if_dropped,
        ];
        cells.extend(chances.iter().map(|chance| format!("{:.0}%", chance * 100.0)));
        cells.push(row.detectable.map_or("-".to_owned(), |effect| format!("{effect:.3}")));
        table.row(cells, None);
    }
    let mut text = table.render(limit, style);
    let legend = format!(
        "pass, inconclusive, false alarm: of a candidate that has not changed; caught, missed: of one \
         that lost {}; detectable: the difference that is found in 80 of 100 batches; a regression of \
         up to {} passes, at {} %, {}",
        question.drop,
        question.max_regression,
        percent(question.confidence),
        assumption(outlook.assumed)
    );
    for line in wrap(&legend, limit) {
        text.push_str(&format!("{}\n", style.paint(Tone::Faint, &line)));
    }
    for (repeats, needed) in &outlook.cases_needed {
        let with = if has_repeats {
            format!(" with {}", plural(u64::from(*repeats), "repeat"))
        } else {
            String::new()
        };
        let line = match needed {
            Some(cases) => {
                format!("{cases} cases{with} pass an unchanged candidate in 80 of 100 batches")
            }
            None => {
                format!("not even a million cases{with} pass an unchanged candidate often enough")
            }
        };
        text.push_str(&format!("{}\n", style.paint(Tone::Strong, &line)));
    }
    text
}

fn assumption(assumed: Assumed) -> String {
    match assumed {
        Assumed::Discordant(share) => {
            format!("if {} % of cases are solved by one of the two alone", percent(share))
        }
        Assumed::Deviations { between, within } => {
            let noise = within
                .map_or(String::new(), |within| format!(", and {within:.3} more with each repeat"));
            format!("if cases' differences deviate by {between:.3}{noise}")
        }
    }
}
