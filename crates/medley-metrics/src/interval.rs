//! Quantiles of a sample.

use medley_core::record::Interval;

/// The central share `confidence` (0 to 1) of a sample, by linear interpolation between order statistics as `numpy.quantile`.
/// `None` if the sample is empty.
pub fn percentile_interval(mut sample: Vec<f64>, confidence: f64) -> Option<Interval> {
    sample.sort_unstable_by(f64::total_cmp);
    let last = sample.len().checked_sub(1)?;
    let quantile = |share: f64| {
        let position = share * last as f64;
        let (below, rest) = (position.floor() as usize, position.fract());
        sample[below] + rest * (sample[(below + 1).min(last)] - sample[below])
    };
    let tail = (1.0 - confidence) / 2.0;
    Some(Interval { low: quantile(tail), high: quantile(1.0 - tail) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile(range(101), [.025, .975]) = [2.5, 97.5]
        let interval = percentile_interval((0..=100).rev().map(f64::from).collect(), 0.95).unwrap();
        assert!((interval.low - 2.5).abs() < 1e-12 && (interval.high - 97.5).abs() < 1e-12);
        assert_eq!(percentile_interval(vec![0.3], 0.95), Some(Interval { low: 0.3, high: 0.3 }));
        assert_eq!(percentile_interval(Vec::new(), 0.95), None);
        assert!(interval.contains(50.0) && !interval.contains(1.0) && (interval.half_width() - 47.5).abs() < 1e-12);
    }
}
