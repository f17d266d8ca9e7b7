//! Where an execution stands, after it was rolled back or made by a fork.

use super::Standing;
use crate::text::{Style, Tone, one_line};
use crate::view::value::short_question;

/// Returns it as text.
pub(crate) fn render(standing: &Standing, width: usize, style: Style) -> String {
    let Standing { whose, checkpoint } = standing;
    let mut text = style.paint(Tone::Strong, &format!("execution {}", whose.id));
    let mut line = |label: &str, value: &str| {
        let shown = one_line(value, width.saturating_sub(12));
        text.push_str(&format!("\n  {label:<9} {shown}"));
    };
    line("cell", &format!("{} / {}", whose.variant, whose.case));
    if let Some(parent) = &whose.parent {
        line("from", parent);
    }
    line("status", &whose.status);
    let step = checkpoint.at.as_deref().unwrap_or("?");
    line("stands", &format!("at step {step}, after {}", checkpoint.after()));
    line("next", checkpoint.next().as_deref().unwrap_or("nothing: it is at the end"));
    for question in checkpoint.interrupts.iter().filter(|_| whose.status == "interrupted") {
        line("asks", &format!("{}: {}", short_question(&question.id), question.value));
    }
    text.push('\n');
    text
}
