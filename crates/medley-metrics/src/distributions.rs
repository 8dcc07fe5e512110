//! The few distributions that tests and intervals need.

use statrs::distribution::{Binomial, ContinuousCDF as _, DiscreteCDF as _, Normal, StudentsT};

/// Probability that a standard normal value is at most `x`.
pub(crate) fn normal_cdf(x: f64) -> f64 {
    Normal::standard().cdf(x)
}

/// The value below which a standard normal value lies with `probability`; infinite at 0 and 1.
pub(crate) fn normal_quantile(probability: f64) -> f64 {
    Normal::standard().inverse_cdf(probability)
}

/// The value below which a value of Student's t distribution lies with `probability`, which is neither 0 nor 1. NaN without a
/// degree of freedom.
pub(crate) fn student_quantile(probability: f64, degrees: f64) -> f64 {
    StudentsT::new(0.0, 1.0, degrees).map_or(f64::NAN, |student| student.inverse_cdf(probability))
}

/// The two-sided exact test of `successes` out of `trials` fair tosses: the probability of a count at least as far from half.
/// 1 of no tosses.
pub(crate) fn fair_coin_p(successes: u64, trials: u64) -> f64 {
    let fewer = successes.min(trials - successes.min(trials));
    if 2 * fewer >= trials {
        return 1.0;
    }
    Binomial::new(0.5, trials).map_or(1.0, |tosses| (2.0 * tosses.cdf(fewer)).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{found} is not {expected}");
    }

    #[test]
    fn agrees_with_scipy() {
        // scipy 1.17: stats.norm.cdf, norm.ppf, t.cdf, t.ppf, binomtest(...).pvalue
        close(normal_cdf(-1.3), 0.096_800_484_585_610_33);
        close(normal_quantile(0.975), 1.959_963_984_540_054);
        close(normal_quantile(0.8), 0.841_621_233_572_914_3);
        close(student_quantile(0.975, 2.0), 4.302_652_729_911_275);
        close(student_quantile(0.975, 9.0), 2.262_157_162_740_992);
        close(student_quantile(0.025, 1.0), -12.706_204_736_432_095);
        close(fair_coin_p(3, 15), 0.035_156_25);
        close(fair_coin_p(12, 15), 0.035_156_25);
    }

    #[test]
    fn ends_and_middles() {
        assert_eq!(normal_quantile(1.0), f64::INFINITY);
        assert_eq!(normal_quantile(0.0), f64::NEG_INFINITY);
        assert!(normal_quantile(0.5).abs() < 1e-12);
        assert_eq!((fair_coin_p(0, 0), fair_coin_p(5, 10)), (1.0, 1.0));
        close(fair_coin_p(0, 1), 1.0);
        close(fair_coin_p(0, 10), 2.0 / 1024.0);
    }
}
