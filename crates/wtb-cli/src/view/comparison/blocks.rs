//! The columns of a comparison, in blocks that stay together.

use wtb_engine::comparison::{Comparison, Quantiles, VariantLine, Versus};

use super::figures::{Decimals, p_value, range, signed};
use crate::text::{Column, figures, seconds};

/// Columns that belong together: each with one cell for each variant.
pub(super) struct Block {
    pub(super) columns: Vec<(Column, Vec<String>)>,
}

impl Block {
    fn new() -> Self {
        Self { columns: Vec::new() }
    }

    fn right(&mut self, title: impl Into<String>, cells: Vec<String>) {
        self.columns.push((Column::right(title), cells));
    }
}

const NONE: &str = "-";

/// Returns the blocks of a comparison, the most important first.
pub(super) fn blocks(comparison: &Comparison) -> Vec<Block> {
    let mut blocks = vec![score(comparison)];
    blocks.extend(versus(comparison));
    blocks.extend(reliability(comparison));
    blocks.push(resources(comparison));
    blocks.extend(comparison.metrics.iter().skip(1).map(|(name, _)| metric(comparison, name)));
    blocks
}

fn cells(comparison: &Comparison, cell: impl Fn(&VariantLine) -> String) -> Vec<String> {
    comparison.variants.iter().map(cell).collect()
}

/// The confidence as a title: `95% CI`.
fn ci_title(comparison: &Comparison) -> String {
    format!("{}% CI", percent(comparison.confidence))
}

/// A share in percent, without decimals that say nothing: `95`, `99.5`.
pub(crate) fn percent(share: f64) -> String {
    let text = format!("{:.2}", share * 100.0);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn score(comparison: &Comparison) -> Block {
    let mut block = Block::new();
    if let Some(metric) = &comparison.metric {
        let means: Vec<_> = comparison.variants.iter().map(|line| line.mean).collect();
        let decimals = Decimals::of(&means);
        block.right(metric, figures(&means));
        let interval = |line: &VariantLine| {
            let ends = line.ci_low.zip(line.ci_high);
            ends.map_or(NONE.to_owned(), |(low, high)| range(low, high, decimals))
        };
        block.right(ci_title(comparison), cells(comparison, interval));
        if comparison.variants.iter().any(|line| line.p_best.is_some()) {
            let chance =
                |line: &VariantLine| line.p_best.map_or(NONE.to_owned(), |p| format!("{p:.2}"));
            block.right("P(best)", cells(comparison, chance));
        }
    }
    block.right("n", cells(comparison, |line| line.n.to_string()));
    if comparison.metric.is_some() {
        let coverage = |line: &VariantLine| format!("{:.0}%", line.coverage * 100.0);
        block.right("coverage", cells(comparison, coverage));
    }
    block.right("errors", cells(comparison, |line| line.errors.to_string()));
    block
}

fn versus(comparison: &Comparison) -> Option<Block> {
    let all: Vec<&Versus> =
        comparison.variants.iter().filter_map(|line| line.vs_baseline.as_ref()).collect();
    if all.is_empty() {
        return None;
    }
    let differences: Vec<_> = all.iter().map(|versus| Some(versus.difference)).collect();
    let decimals = Decimals::of(&differences);
    let of = |cell: &dyn Fn(&Versus) -> String| {
        cells(comparison, |line| line.vs_baseline.as_ref().map_or(NONE.to_owned(), cell))
    };
    let mut block = Block::new();
    block.right("difference", of(&|versus| signed(versus.difference, decimals)));
    let interval = |versus: &Versus| {
        let ends = versus.ci_low.zip(versus.ci_high);
        ends.map_or(NONE.to_owned(), |(low, high)| {
            format!("[{}, {}]", signed(low, decimals), signed(high, decimals))
        })
    };
    block.right(ci_title(comparison), of(&interval));
    let corrected = match comparison.correction.as_str() {
        "holm" => "p (Holm)",
        _ => "p (BH)",
    };
    block.right(corrected, of(&|versus| p_value(versus.p_adjusted)));
    block.right(
        "won/tied/lost",
        of(&|versus| format!("{}/{}/{}", versus.wins, versus.ties, versus.losses)),
    );
    Some(block)
}

/// How reliable repeats are, at the largest k that all variants have.
fn reliability(comparison: &Comparison) -> Option<Block> {
    let all = comparison.variants.iter().filter_map(|line| line.reliability.as_ref());
    let k = all.map(|one| one.pass_all.len()).min().filter(|k| *k > 1)?;
    let mut block = Block::new();
    let pass = |line: &VariantLine| {
        line.reliability
            .as_ref()
            .map_or(NONE.to_owned(), |one| format!("{:.2}", one.pass_all[k - 1]))
    };
    block.right(format!("pass^{k}"), cells(comparison, pass));
    let flips = |line: &VariantLine| {
        let rate = line.reliability.as_ref().map(|one| one.flip_rate * 100.0);
        rate.map_or(NONE.to_owned(), |rate| format!("{rate:.0}%"))
    };
    block.right("flips", cells(comparison, flips));
    Some(block)
}

fn resources(comparison: &Comparison) -> Block {
    let mut block = Block::new();
    let time = |pick: fn(&Quantiles) -> f64| {
        cells(comparison, |line| {
            line.duration_s.as_ref().map_or(NONE.to_owned(), |taken| seconds(pick(taken)))
        })
    };
    block.right("median", time(|taken| taken.median));
    block.right("p95", time(|taken| taken.p95));
    if comparison.variants.iter().any(|line| line.tokens.is_some()) {
        let tokens = |line: &VariantLine| {
            line.tokens.map_or(NONE.to_owned(), |tokens| format!("{:.0}", tokens.median))
        };
        block.right("tokens", cells(comparison, tokens));
    }
    block
}

fn metric(comparison: &Comparison, name: &str) -> Block {
    let values: Vec<_> =
        comparison.variants.iter().map(|line| line.metrics.get(name).copied().flatten()).collect();
    Block { columns: vec![(Column::right(name), figures(&values))] }
}
