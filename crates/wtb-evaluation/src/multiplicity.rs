//! Corrections for asking several questions at once.

/// How p-values are corrected for the number of comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// Holm's: the chance of any false finding is held.
    #[default]
    Holm,
    /// Benjamini and Hochberg's: the expected share of false findings is held. For exploring.
    BenjaminiHochberg,
}

impl Correction {
    /// Returns the name used in Python, on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Holm => "holm",
            Self::BenjaminiHochberg => "benjamini_hochberg",
        }
    }

    /// Parses a name; `bh` is short for `benjamini_hochberg`.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "holm" => Some(Self::Holm),
            "benjamini_hochberg" | "bh" => Some(Self::BenjaminiHochberg),
            _ => None,
        }
    }

    /// Returns the adjusted p-values, in the order of the given ones.
    ///
    /// Holm (1979), Scandinavian Journal of Statistics 6, 65-70. Benjamini and Hochberg (1995), JRSS B
    /// 57, 289-300.
    pub fn adjust(self, p_values: &[f64]) -> Vec<f64> {
        let mut order: Vec<usize> = (0..p_values.len()).collect();
        order.sort_by(|left, right| p_values[*left].total_cmp(&p_values[*right]));
        let mut adjusted = vec![1.0; p_values.len()];
        #[expect(clippy::cast_precision_loss, reason = "counts of variants are far below 2^52")]
        let count = p_values.len() as f64;
        match self {
            Self::Holm => {
                let (mut largest, mut left) = (0.0_f64, count);
                for place in order {
                    largest = largest.max(p_values[place] * left);
                    adjusted[place] = largest.min(1.0);
                    left -= 1.0;
                }
            }
            Self::BenjaminiHochberg => {
                let (mut smallest, mut rank) = (1.0_f64, count);
                for place in order.into_iter().rev() {
                    smallest = smallest.min(p_values[place] * (count / rank));
                    adjusted[place] = smallest;
                    rank -= 1.0;
                }
            }
        }
        adjusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(found: &[f64], expected: &[f64]) {
        for (left, right) in found.iter().zip(expected) {
            assert!((left - right).abs() < 1e-12, "{found:?}");
        }
    }

    #[test]
    fn a_small_family() {
        // R: p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") and "BH".
        let p = [0.01, 0.04, 0.03, 0.005];
        near(&Correction::Holm.adjust(&p), &[0.03, 0.06, 0.06, 0.02]);
        near(&Correction::BenjaminiHochberg.adjust(&p), &[0.02, 0.04, 0.04, 0.02]);
        assert!(Correction::Holm.adjust(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn adjusted_ones_keep_the_order_and_are_never_smaller(p in prop::collection::vec(0.0..=1.0_f64, 1..30)) {
            for correction in [Correction::Holm, Correction::BenjaminiHochberg] {
                let adjusted = correction.adjust(&p);
                for (left, one) in p.iter().zip(&adjusted) {
                    prop_assert!(one >= left && *one <= 1.0);
                    for (right, other) in p.iter().zip(&adjusted) {
                        prop_assert!(left > right || one <= other);
                    }
                }
            }
        }
    }
}
