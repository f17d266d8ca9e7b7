//! The few distributions that intervals, tests and powers are read from.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::{beta_reg, inv_beta_reg};
use statrs::function::gamma::ln_gamma;

/// Returns the standard normal distribution function at `z`.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    Normal::standard().cdf(z)
}

/// Returns the `p` quantile of the standard normal distribution, `p` in (0, 1).
pub(crate) fn normal_quantile(p: f64) -> f64 {
    Normal::standard().inverse_cdf(p)
}

/// Returns the normal quantile that leaves `(1 - confidence) / 2` above it.
pub(crate) fn two_sided_z(confidence: f64) -> f64 {
    normal_quantile(f64::midpoint(1.0, confidence))
}

/// Returns the quantile of Student's t that leaves `(1 - confidence) / 2` above it, for `df` degrees
/// of freedom, `df` > 0.
pub(crate) fn two_sided_t(confidence: f64, df: f64) -> f64 {
    let x = inv_beta_reg(df / 2.0, 0.5, 1.0 - confidence);
    (df * (1.0 - x) / x).sqrt()
}

/// Returns P(|T| >= |`t`|) of Student's t with `df` degrees of freedom.
pub(crate) fn t_two_sided(t: f64, df: f64) -> f64 {
    beta_reg(df / 2.0, 0.5, df / (df + t * t))
}

/// Returns P(X <= `k`) of the binomial distribution of `n` fair coins.
pub(crate) fn fair_coins_cdf(k: u64, n: u64) -> f64 {
    if k >= n {
        return 1.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of cases are far below 2^52")]
    beta_reg((n - k) as f64, (k + 1) as f64, 0.5)
}

/// How many terms of a series are summed at the most.
const TERMS_MAX: u32 = 2_000;

/// Returns P(T <= t) of the noncentral t distribution with `df` degrees of freedom and the given
/// noncentrality, for `t` >= 0.
///
/// Lenth (1989), Algorithm AS 243, Applied Statistics 38, 185-189.
#[expect(clippy::many_single_char_names, reason = "the names of the published algorithm")]
pub(crate) fn noncentral_t_cdf(t: f64, df: f64, noncentrality: f64) -> f64 {
    let x = t * t / (t * t + df);
    let half = noncentrality * noncentrality / 2.0;
    let mut sum = normal_cdf(-noncentrality);
    if x <= 0.0 {
        return sum;
    }
    // The weights of both series, begun in logarithms: `exp(-half)` alone underflows for a large effect.
    let log_half = half.max(f64::MIN_POSITIVE).ln();
    let sign = noncentrality.signum();
    for term in 0..TERMS_MAX {
        let j = f64::from(term);
        let p = (j * log_half - half - ln_gamma(j + 1.0)).exp() / 2.0;
        let q = sign * (j.mul_add(log_half, log_half / 2.0) - half - ln_gamma(j + 1.5)).exp() / 2.0;
        let step = p * beta_reg(j + 0.5, df / 2.0, x) + q * beta_reg(j + 1.0, df / 2.0, x);
        sum += step;
        if j > half && step.abs() < 1e-14 {
            break;
        }
    }
    sum.clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(left: f64, right: f64, tolerance: f64) {
        assert!((left - right).abs() <= tolerance, "{left} is not {right}");
    }

    // Reference values: scipy 1.17, `scipy.stats.{norm,t,binom,nct}`.
    #[test]
    fn quantiles_are_those_of_scipy() {
        near(two_sided_z(0.95), 1.959_963_984_540_054, 1e-9);
        near(two_sided_t(0.95, 1.0), 12.706_204_736_174_69, 1e-6);
        near(two_sided_t(0.95, 19.0), 2.093_024_054_408_308_7, 1e-9);
        near(two_sided_t(0.99, 99_999.0), 2.575_878_470_400_052, 1e-6);
        near(t_two_sided(-2.3, 7.5), 0.052_572_896_104_369_08, 1e-9);
    }

    #[test]
    fn coins_are_those_of_scipy() {
        near(fair_coins_cdf(3, 12), 0.072_998_046_875, 1e-12);
        near(fair_coins_cdf(0, 5), 0.031_25, 1e-14);
        near(fair_coins_cdf(5, 5), 1.0, 0.0);
    }

    #[test]
    fn the_noncentral_t_is_that_of_scipy() {
        near(noncentral_t_cdf(2.0, 19.0, 2.8), 0.215_752_241_131_090_54, 1e-9);
        near(noncentral_t_cdf(1.5, 3.0, 0.0), 0.884_708_067_377_588_6, 1e-9);
        near(noncentral_t_cdf(0.0, 10.0, 1.0), 0.158_655_253_931, 1e-9);
        near(noncentral_t_cdf(42.0, 50.0, 40.0), 0.656_243_342_189_797_7, 1e-9);
    }
}
