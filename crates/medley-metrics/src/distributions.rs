//! The few distributions that tests and intervals need, to 1e-10 or better.

/// Probability that a standard normal value is at most `x`.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x / std::f64::consts::SQRT_2)
}

/// The value below which a standard normal value lies with `probability`; infinite at 0 and 1.
pub fn normal_quantile(probability: f64) -> f64 {
    invert(probability, normal_cdf)
}

/// Probability that a value of Student's t distribution is at most `x`.
///
/// By the regularised incomplete beta function (Press et al., *Numerical Recipes*, 6.4 and 6.14).
pub fn student_cdf(x: f64, degrees: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(0.5 * degrees, 0.5, degrees / (degrees + x * x));
    if x > 0.0 { 1.0 - tail } else { tail }
}

/// The value below which a value of Student's t distribution lies with `probability`; infinite at 0 and 1.
pub fn student_quantile(probability: f64, degrees: f64) -> f64 {
    invert(probability, |x| student_cdf(x, degrees))
}

/// The two-sided exact test of `successes` out of `trials` fair tosses: the probability of a count at least as far from half.
/// 1 of no tosses.
pub fn fair_coin_p(successes: u64, trials: u64) -> f64 {
    let fewer = successes.min(trials - successes.min(trials));
    if 2 * fewer >= trials {
        return 1.0;
    }
    // P(X <= fewer) for X binomial(trials, 1/2) is I_{1/2}(trials - fewer, fewer + 1).
    (2.0 * incomplete_beta((trials - fewer) as f64, fewer as f64 + 1.0, 0.5)).min(1.0)
}

/// Bisects a symmetric distribution function; it is monotone, so it cannot fail.
fn invert(probability: f64, cdf: impl Fn(f64) -> f64) -> f64 {
    if probability > 0.5 {
        // Tails are exact near 0, not near 1.
        return -invert(1.0 - probability, cdf);
    }
    if probability.is_nan() || probability <= 0.0 {
        return if probability.is_nan() { f64::NAN } else { f64::NEG_INFINITY };
    }
    let mut low = -1.0;
    while cdf(low) > probability {
        low *= 2.0;
    }
    let mut high = 0.0;
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if cdf(middle) < probability { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The regularised incomplete beta function `I_x(a, b)`.
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let front =
        (libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log1p(-x)).exp();
    // The fraction converges fast on one side of the mean, and I_x(a, b) = 1 - I_{1-x}(b, a).
    if x < (a + 1.0) / (a + b + 2.0) {
        front * beta_fraction(a, b, x) / a
    } else {
        1.0 - front * beta_fraction(b, a, 1.0 - x) / b
    }
}

/// The continued fraction of the incomplete beta function, by the modified Lentz method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    let guard = |value: f64| if value.abs() < 1e-300 { 1e-300 } else { value };
    let mut numerator = 1.0;
    let mut denominator = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = denominator;
    for step in (1..10_000).map(f64::from) {
        for term in [
            step * (b - step) * x / ((a + 2.0 * step - 1.0) * (a + 2.0 * step)),
            -(a + step) * (a + b + step) * x / ((a + 2.0 * step) * (a + 2.0 * step + 1.0)),
        ] {
            denominator = 1.0 / guard(1.0 + term * denominator);
            numerator = guard(1.0 + term / numerator);
            fraction *= numerator * denominator;
        }
        if (numerator * denominator - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-10 * expected.abs().max(1.0), "{found} is not {expected}");
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
