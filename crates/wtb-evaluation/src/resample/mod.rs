//! The nested bootstrap: groups, then cases within them, then repeats, drawn with replacement.
//!
//! All contrasts are drawn at once: a draw takes the same groups, cases and repeats for each of them,
//! so that what variants share (the workload, and the seed of a case and repeat) stays shared.
//! Repeats are drawn among the few means that they can have, which are computed once.

mod plan;
mod random;
mod units;

use std::borrow::Cow;
use std::collections::HashMap;

use crate::contrast::Contrast;
use crate::sample::Sample;
use plan::Plan;
use units::Units;

/// More units than this are first gathered at random into [`BLOCKS`] blocks, which are then drawn.
pub const DRAWN_UNITS_MAX: usize = 2_000;

/// How many blocks many units are gathered into.
pub const BLOCKS: usize = 1_000;

/// Contrasts that are drawn together; more would not fit into a core's caches.
const WIDTH: usize = 32;

/// Draws of some contrasts.
#[derive(Debug, Clone)]
pub struct Draws {
    /// What was drawn: of each contrast itself, or of the two means that make it.
    columns: Vec<Vec<f64>>,
    /// How each contrast is made of columns.
    sources: Vec<Source>,
    /// Whether units were gathered into blocks.
    pub blocks: bool,
}

#[derive(Debug, Clone, Copy)]
enum Source {
    Column(usize),
    Difference(usize, usize),
}

impl Draws {
    /// Draws `count` times. The same seed gives the same draws, and each contrast has the same draws
    /// whichever others are asked for.
    pub fn new(sample: &Sample, contrasts: &[Contrast], count: usize, seed: u64) -> Self {
        let units = Units::new(sample, seed);
        let (wanted, sources) = arrange(sample, contrasts);
        let mut columns = Vec::with_capacity(wanted.len());
        for chunk in wanted.chunks(WIDTH) {
            let plan = Plan::new(sample, chunk, &units);
            columns.extend(plan.draw(count, seed));
        }
        Self { columns, sources, blocks: units.are_blocks }
    }

    /// Returns the draws of the contrast at this place among those that were asked for.
    ///
    /// # Panics
    ///
    /// If there were fewer.
    pub fn of(&self, place: usize) -> Cow<'_, [f64]> {
        match self.sources[place] {
            Source::Column(column) => Cow::Borrowed(&self.columns[column]),
            Source::Difference(left, right) => {
                let pairs = self.columns[left].iter().zip(&self.columns[right]);
                Cow::Owned(pairs.map(|(left, right)| left - right).collect())
            }
        }
    }
}

/// Which contrasts are drawn, and how those that were asked for are made of them: where two variants
/// have all cases, the difference of their draws is the draw of their difference.
fn arrange(sample: &Sample, contrasts: &[Contrast]) -> (Vec<Contrast>, Vec<Source>) {
    let is_complete: Vec<bool> =
        (0..sample.variants()).map(|variant| sample.is_complete(variant)).collect();
    let mut wanted = Vec::new();
    let mut known = HashMap::new();
    let mut column = |contrast: Contrast| {
        *known.entry(contrast).or_insert_with(|| {
            wanted.push(contrast);
            wanted.len() - 1
        })
    };
    let sources = contrasts
        .iter()
        .map(|contrast| match *contrast {
            Contrast::Difference(left, right) if is_complete[left] && is_complete[right] => {
                Source::Difference(column(Contrast::Mean(left)), column(Contrast::Mean(right)))
            }
            other => Source::Column(column(other)),
        })
        .collect();
    (wanted, sources)
}
