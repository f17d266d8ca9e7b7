//! The comparable order: in which order the cells of a batch run, so that a half-finished batch can
//! already be compared.
//!
//! Repeats are outermost, cases come in a seeded shuffle, and all variants of a case stand next to
//! each other. The shuffle depends on the seed and the number of cases only: a batch that gains
//! variants or repeats keeps its case order. Nothing here knows what a case or a variant is.

use crate::{error::ConfigError, ids::CellIndex, rng::SplitMix64};

/// Which execution a cell stands for; each number counts from 0 in the order of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Coordinates {
    /// The test case.
    pub case: u32,
    /// The variant.
    pub variant: u32,
    /// The repeat.
    pub repeat: u32,
}

/// The order of a whole batch. It stores one number per case and computes the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComparableOrder {
    cases: Vec<u32>,
    variants: u32,
    cells: u32,
}

/// Lays out a batch of `cases` x `variants` x `repeats` cells in the comparable order.
///
/// ```
/// use wtb_scheduler::{comparable_order, CellIndex};
/// let order = comparable_order(7, 100, 3, 2)?;
/// let first = order.get(CellIndex(0)).unwrap();
/// let second = order.get(CellIndex(1)).unwrap();
/// assert_eq!((first.case, first.variant, second.variant), (second.case, 0, 1));
/// assert_eq!(order.len(), 600);
/// # Ok::<(), wtb_scheduler::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError::TooManyCells`] when the batch has more than `u32::MAX` cells.
pub fn comparable_order(
    seed: u64,
    cases: u32,
    variants: u32,
    repeats: u32,
) -> Result<ComparableOrder, ConfigError> {
    let cells = u128::from(cases) * u128::from(variants) * u128::from(repeats);
    let cells = u32::try_from(cells).map_err(|_| ConfigError::TooManyCells { cells })?;
    // An empty batch must not pay for a shuffle of cases that no variant runs.
    let shuffled = if cells == 0 { Vec::new() } else { shuffle(seed, cases) };
    Ok(ComparableOrder { cases: shuffled, variants, cells })
}

impl ComparableOrder {
    /// Returns the number of cells.
    #[must_use]
    pub const fn len(&self) -> u32 {
        self.cells
    }

    /// Returns whether the batch has no cells.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.cells == 0
    }

    /// Returns what `cell` stands for, or `None` past the end. Takes constant time.
    #[must_use]
    pub fn get(&self, cell: CellIndex) -> Option<Coordinates> {
        if cell.0 >= self.cells {
            return None;
        }
        let variant = cell.0 % self.variants;
        let place = (cell.0 / self.variants) as usize;
        let case = *self.cases.get(place % self.cases.len())?;
        let repeat = u32::try_from(place / self.cases.len()).ok()?;
        Some(Coordinates { case, variant, repeat })
    }

    /// Returns all cells in order.
    pub fn iter(&self) -> impl Iterator<Item = Coordinates> + '_ {
        (0..self.cells).filter_map(|cell| self.get(CellIndex(cell)))
    }
}

/// Fisher-Yates, from the end (Knuth, TAOCP volume 2, algorithm P).
fn shuffle(seed: u64, cases: u32) -> Vec<u32> {
    let mut shuffled: Vec<u32> = (0..cases).collect();
    let mut random = SplitMix64::new(seed);
    for last in (1..cases).rev() {
        let other = random.below(last + 1);
        shuffled.swap(last as usize, other as usize);
    }
    shuffled
}
