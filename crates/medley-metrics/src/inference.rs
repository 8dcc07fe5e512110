//! Many tests at once, means over seeds, and what a test set can tell at all.

use medley_core::record::Interval;
use medley_core::statistics::{mean, standard_deviation};
use serde::Serialize;

use crate::distributions::{normal_quantile, student_quantile};

/// Holm's step-down correction (Holm, 1979): p-values adjusted such that comparing each with `alpha` keeps the probability of
/// any false alarm among all of them below `alpha`, whatever their dependence. In the order given.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![0.0; p_values.len()];
    let mut largest = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max((p_values.len() - rank) as f64 * p_values[index]).min(1.0);
        adjusted[index] = largest;
    }
    adjusted
}

/// A mean over seeds with its intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeedMean {
    /// Number of seeds.
    pub count: usize,
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` of one seed.
    pub standard_deviation: Option<f64>,
    /// Where the mean over infinitely many seeds lies, if they are normally distributed; `None` of one seed. It
    /// says nothing about other test images.
    pub interval: Option<Interval>,
    /// Where the mean of these seeds lies on other test images; `None` where it was not resampled.
    pub bootstrap: Option<Interval>,
}

/// Mean, deviation and t-interval of `values`; `None` of none.
pub fn seed_mean(values: &[f64], confidence: f64) -> Option<SeedMean> {
    let (count, mean, standard_deviation) = (values.len(), mean(values), standard_deviation(values));
    let interval = standard_deviation.map(|deviation| {
        let width = student_quantile(0.5 + confidence / 2.0, (count - 1) as f64) * deviation / (count as f64).sqrt();
        Interval { low: mean - width, high: mean + width }
    });
    (count > 0).then_some(SeedMean { count, mean, standard_deviation, interval, bootstrap: None })
}

/// The smallest true difference that a two-sided test at 5 % finds with a probability of 80 %, from the standard error of the
/// difference: 2.80 standard errors.
pub fn minimum_detectable_difference(standard_error: f64) -> f64 {
    (normal_quantile(0.975) + normal_quantile(0.8)) * standard_error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_multiplies_by_what_is_left() {
        // By hand: 3 * 0.01, 2 * 0.02, then 0.04 held up by the second.
        let adjusted = holm(&[0.02, 0.04, 0.01]);
        assert!(adjusted.iter().zip([0.04, 0.04, 0.03]).all(|(a, b)| (a - b).abs() < 1e-15), "{adjusted:?}");
        assert_eq!(holm(&[0.9, 0.8]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn seeds_have_a_t_interval() {
        // scipy.stats.t.interval(0.95, 2, loc=mean, scale=sem) of [0.90, 0.92, 0.91] = (0.885158…, 0.934841…).
        let found = seed_mean(&[0.90, 0.92, 0.91], 0.95).unwrap();
        let interval = found.interval.unwrap();
        assert!((found.mean - 0.91).abs() < 1e-12 && (found.standard_deviation.unwrap() - 0.01).abs() < 1e-12);
        assert!((interval.low - (0.91 - 4.302_652_729_911_275 * 0.01 / 3.0_f64.sqrt())).abs() < 1e-12);
        assert_eq!(seed_mean(&[0.5], 0.95).unwrap().interval, None);
        assert!(seed_mean(&[], 0.95).is_none());
    }

    #[test]
    fn detectable_is_two_point_eight_standard_errors() {
        assert!((minimum_detectable_difference(1.0) - 2.801_585_218_112_968).abs() < 1e-9);
    }
}
