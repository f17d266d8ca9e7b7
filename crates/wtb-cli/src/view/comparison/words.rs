//! What a comparison says in sentences: who is best, what would settle the rest, what choices do.

use wtb_engine::comparison::{Comparison, Effect, VariantLine, Versus};
use wtb_model::Direction;

use super::BEST;
use super::blocks::percent;
use super::figures::{Decimals, p_value, signed};
use crate::text::{Column, Style, Table, Tone, plural, wrap};

/// As many variants get a sentence of what would settle them; the rest is counted.
const ADVICE_MAX: usize = 5;

/// As many effects are shown; of more only those that are findings.
const EFFECTS_SHOWN_MAX: usize = 12;

/// Returns what the columns mean.
pub(super) fn legend(comparison: &Comparison, limit: usize, style: Style) -> String {
    let Some(metric) = &comparison.metric else {
        return String::new();
    };
    let better = match comparison.direction {
        Direction::Max => "higher",
        Direction::Min => "lower",
    };
    let mut text = format!("{metric}: mean over cases, {better} is better");
    if comparison.variants.iter().any(|line| line.vs_baseline.is_some())
        && let Some(baseline) = &comparison.baseline
    {
        text.push_str(&format!("; differences are to {baseline}, case by case"));
    }
    if comparison.looks > 1 {
        text.push_str(&format!(
            "; intervals and findings hold over all {} looks",
            comparison.looks
        ));
    }
    let others = comparison.metrics.iter().skip(1);
    let lower: Vec<_> = others
        .filter(|(_, direction)| *direction == Direction::Min)
        .map(|(name, _)| name.as_str())
        .collect();
    if !lower.is_empty() {
        text.push_str(&format!("; lower is better for {}", lower.join(", ")));
    }
    paragraph(&text, limit, Some(Tone::Faint), style)
}

/// Returns who is best, or who might be.
pub(super) fn best(comparison: &Comparison, limit: usize, style: Style) -> String {
    let sure = format!("{} %", percent(comparison.confidence));
    if let Some(best) = &comparison.best {
        let others = comparison.variants.iter().filter(|line| line.competes).count() - 1;
        let whom =
            if others == 1 { "the other one".to_owned() } else { format!("the {others} others") };
        let text = format!("{BEST} best: {best}, better than {whom} at {sure}");
        return paragraph(&text, limit, Some(Tone::Good), style);
    }
    if comparison.best_set.len() < 2 {
        return String::new();
    }
    let in_contest = comparison.variants.iter().filter(|line| line.competes).count();
    let who = if comparison.best_set.len() == in_contest {
        "no variant can be told apart from another".to_owned()
    } else {
        format!("{} cannot be told apart", comparison.best_set.join(", "))
    };
    paragraph(&format!("{BEST} no best: {who} at {sure}"), limit, Some(Tone::Strong), style)
}

/// Returns what would settle the differences to the baseline that are not settled.
pub(super) fn advice(comparison: &Comparison, limit: usize, style: Style) -> String {
    let open: Vec<String> = comparison
        .variants
        .iter()
        .filter_map(|line| advice_for(line, line.vs_baseline.as_ref()?, comparison))
        .collect();
    let mut text: String = open
        .iter()
        .take(ADVICE_MAX)
        .map(|advice| paragraph(advice, limit, Some(Tone::Note), style))
        .collect();
    if open.len() > ADVICE_MAX {
        let more = format!("{} more are not settled", open.len() - ADVICE_MAX);
        text.push_str(&paragraph(&more, limit, Some(Tone::Note), style));
    }
    text
}

fn advice_for(line: &VariantLine, versus: &Versus, comparison: &Comparison) -> Option<String> {
    let needed = versus.cases_needed? as u64;
    let baseline = comparison.baseline.as_deref()?;
    let more = needed.saturating_sub(versus.cases as u64);
    let mut text = format!("{} and {baseline} are not settled", line.name);
    if let Some(detectable) = versus.detectable {
        let decimals = Decimals::of(&[Some(detectable)]);
        let size = signed(detectable, decimals);
        let size = size.trim_start_matches('+');
        text.push_str(&format!(
            ": {} can show a difference of {size}",
            plural(versus.cases as u64, "case")
        ));
    }
    if more > 0 {
        text.push_str(&format!("; {} would show one of this size", plural(more, "more case")));
    }
    if versus.noise_share.is_some_and(|share| share > 0.5) {
        text.push_str("; more repeats would help, too");
    }
    Some(text)
}

/// Returns the effects of a grid's choices as a table.
pub(super) fn effects(comparison: &Comparison, limit: usize, style: Style) -> String {
    let all = &comparison.effects;
    if all.is_empty() {
        return String::new();
    }
    let alpha = 1.0 - comparison.confidence_each;
    let is_shown = |effect: &&Effect| all.len() <= EFFECTS_SHOWN_MAX || effect.p_adjusted <= alpha;
    let shown: Vec<_> = all.iter().filter(is_shown).collect();
    let decimals = Decimals::of(&shown.iter().map(|one| Some(one.effect)).collect::<Vec<_>>());
    let mut table = Table::new(vec![
        Column::left("effect of").shrinking(),
        Column::left("against").shrinking(),
        Column::right("difference"),
        Column::right(format!("{}% CI", percent(comparison.confidence))),
        Column::right("p"),
    ]);
    for effect in &shown {
        let choices: Vec<_> =
            effect.choices.iter().map(|(axis, choice)| format!("{axis}={choice}")).collect();
        let interval = effect.ci_low.zip(effect.ci_high).map_or("-".to_owned(), |(low, high)| {
            format!("[{}, {}]", signed(low, decimals), signed(high, decimals))
        });
        table.row(
            vec![
                choices.join(" x "),
                effect.references.join(" x "),
                signed(effect.effect, decimals),
                interval,
                p_value(effect.p_adjusted),
            ],
            (effect.p_adjusted <= alpha).then_some(Tone::Strong),
        );
    }
    let mut text = format!("\n{}", table.render(limit, style));
    if shown.len() < all.len() {
        let rest = format!("{} others are no findings; `--json` has them", all.len() - shown.len());
        text.push_str(&paragraph(&rest, limit, Some(Tone::Faint), style));
    }
    text
}

/// Returns who is not beaten in both the score and what it takes; nothing where nobody is.
pub(super) fn pareto(comparison: &Comparison, limit: usize, style: Style) -> String {
    let Some(metric) = &comparison.metric else { return String::new() };
    let spent = [("cost", "cost"), ("tokens", "tokens"), ("duration_s", "time")];
    let Some((names, what)) =
        spent.iter().find_map(|(key, what)| Some((comparison.pareto.get(key)?, what)))
    else {
        return String::new();
    };
    if names.len() == comparison.variants.len() {
        return String::new();
    }
    let text = format!("not beaten in both {metric} and {what}: {}", names.join(", "));
    paragraph(&text, limit, Some(Tone::Faint), style)
}

pub(super) fn paragraph(text: &str, limit: usize, tone: Option<Tone>, style: Style) -> String {
    let paint = |line: &String| tone.map_or_else(|| line.clone(), |tone| style.paint(tone, line));
    wrap(text, limit).iter().map(|line| format!("{}\n", paint(line))).collect()
}
