//! How estimates, intervals and p-values are written.

/// How many decimals the figures of a column deserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimals(usize);

impl Decimals {
    pub(super) fn of(values: &[Option<f64>]) -> Self {
        let largest = values.iter().flatten().fold(0.0, |most: f64, value| most.max(value.abs()));
        Self(match largest {
            value if value < 10.0 => 4,
            value if value < 100.0 => 3,
            value if value < 1_000.0 => 2,
            _ => 0,
        })
    }
}

/// Writes an interval: `[0.6403, 0.7712]`.
pub(super) fn range(low: f64, high: f64, Decimals(decimals): Decimals) -> String {
    format!("[{low:.decimals$}, {high:.decimals$}]")
}

/// Writes a difference with its sign: `+0.0300`.
pub(super) fn signed(value: f64, Decimals(decimals): Decimals) -> String {
    let text = format!("{value:+.decimals$}");
    // Rounding leaves a sign at a zero, which would say something.
    if text[1..].chars().all(|letter| letter == '0' || letter == '.') {
        return text[1..].to_owned();
    }
    text
}

/// Writes a p-value: `<.001`, `0.140`.
pub(super) fn p_value(p: f64) -> String {
    if p < 0.001 { "<.001".to_owned() } else { format!("{p:.3}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_never_minus_nothing() {
        let decimals = Decimals::of(&[Some(0.03), None]);
        assert_eq!(signed(0.03, decimals), "+0.0300");
        assert_eq!(signed(-0.000_001, decimals), "0.0000");
        assert_eq!(range(-0.5, 0.25, decimals), "[-0.5000, 0.2500]");
        assert_eq!((p_value(0.000_2), p_value(0.04)), ("<.001".to_owned(), "0.040".to_owned()));
    }
}
