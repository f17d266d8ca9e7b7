//! A gate's verdict, for a terminal and as Markdown.

use wtb_engine::comparison::{Outcome, Verdict};

use crate::text::{Style, Tone, wrap};

/// Returns the verdict and its reason, and what to know.
pub(crate) fn render(verdict: &Verdict, limit: usize, style: Style) -> String {
    let word = word(verdict.outcome);
    let mut text = String::new();
    for (place, line) in wrap(&format!("{word}: {}", verdict.reason), limit).iter().enumerate() {
        let painted = match line.strip_prefix(word) {
            Some(rest) if place == 0 => {
                format!("{}{rest}", style.paint(tone(verdict.outcome), word))
            }
            _ => line.clone(),
        };
        text.push_str(&format!("{painted}\n"));
    }
    if verdict.difference.is_some() {
        let counts = format!(
            "{} cases better, {} alike, {} worse; interval: {}",
            verdict.wins, verdict.ties, verdict.losses, verdict.method
        );
        text.push_str(&format!("{}\n", style.paint(Tone::Faint, &counts)));
    }
    for warning in &verdict.warnings {
        text.push_str(&format!("{} {warning}\n", style.paint(Tone::Warn, "warning:")));
    }
    text
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Pass => "PASS",
        Outcome::Regression => "REGRESSION",
        Outcome::Inconclusive => "INCONCLUSIVE",
    }
}

const fn tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Pass => Tone::Good,
        Outcome::Regression => Tone::Bad,
        Outcome::Inconclusive => Tone::Warn,
    }
}

/// Returns the verdict as Markdown.
pub(crate) fn markdown(verdict: &Verdict) -> String {
    let word = word(verdict.outcome);
    let names = [&verdict.candidate, &verdict.baseline];
    let mut text = format!("### WTB gate: {word}\n\n{}\n", escape_prose(&verdict.reason, &names));
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:+.4}"));
    let rows = [
        ("metric", verdict.metric.as_deref().map_or("-".to_owned(), escape)),
        ("candidate", escape(&verdict.candidate)),
        ("baseline", escape(&verdict.baseline)),
        ("difference", number(verdict.difference)),
        (
            "interval",
            format!(
                "{} to {} ({})",
                number(verdict.ci_low),
                number(verdict.ci_high),
                verdict.method
            ),
        ),
        ("largest regression", format!("{}", verdict.max_regression)),
        (
            "better / alike / worse",
            format!("{} / {} / {}", verdict.wins, verdict.ties, verdict.losses),
        ),
        ("cases", verdict.cases.to_string()),
        ("errors", format!("{} against {}", verdict.candidate_errors, verdict.baseline_errors)),
    ];
    text.push_str("\n| | |\n|---|---|\n");
    for (name, value) in rows {
        text.push_str(&format!("| {name} | {value} |\n"));
    }
    for warning in &verdict.warnings {
        text.push_str(&format!("\n> {}\n", escape_prose(warning, &names)));
    }
    text
}

/// Escapes a sentence but for what is in backticks. The variants' own backticks are none of these.
fn escape_prose(text: &str, names: &[&String]) -> String {
    let text = names.iter().fold(text.to_owned(), |text, name| {
        if name.contains('`') { text.replace(*name, &name.replace('`', "'")) } else { text }
    });
    let part = |(place, part): (usize, &str)| {
        if place % 2 == 0 { escape(part) } else { format!("`{part}`") }
    };
    text.split('`').enumerate().map(part).collect()
}

/// Keeps names from being taken for Markdown or HTML.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '<' => escaped.push_str("&lt;"),
            '\n' | '\r' => escaped.push(' '),
            '|' | '*' | '_' | '[' | ']' | '\\' => escaped.extend(['\\', letter]),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_names_in_markdown() {
        assert_eq!(escape("a|b_c<script>\n*"), "a\\|b\\_c&lt;script> \\*");
        let name = "new_`one".to_owned();
        assert_eq!(
            escape_prose("`exact_match` of new_`one is <b>", &[&name]),
            "`exact_match` of new\\_'one is &lt;b>"
        );
    }
}
