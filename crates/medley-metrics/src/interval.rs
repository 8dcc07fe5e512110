//! Intervals.

use serde::Serialize;

/// A two-sided interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// The central share `confidence` (0 to 1) of a sample, by linear interpolation between order statistics as
    /// `numpy.quantile`. `None` if the sample is empty.
    pub fn of_sample(mut sample: Vec<f64>, confidence: f64) -> Option<Self> {
        sample.sort_unstable_by(f64::total_cmp);
        let last = sample.len().checked_sub(1)?;
        let quantile = |share: f64| {
            let position = share * last as f64;
            let (below, rest) = (position.floor() as usize, position.fract());
            sample[below] + rest * (sample[(below + 1).min(last)] - sample[below])
        };
        let tail = (1.0 - confidence) / 2.0;
        Some(Self { low: quantile(tail), high: quantile(1.0 - tail) })
    }

    /// Half of its width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether a figure lies inside.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_numpy() {
        // numpy.quantile(range(101), [.025, .975]) = [2.5, 97.5]
        let interval = Interval::of_sample((0..=100).rev().map(f64::from).collect(), 0.95).unwrap();
        assert!((interval.low - 2.5).abs() < 1e-12 && (interval.high - 97.5).abs() < 1e-12);
        assert_eq!(Interval::of_sample(vec![0.3], 0.95), Some(Interval { low: 0.3, high: 0.3 }));
        assert_eq!(Interval::of_sample(Vec::new(), 0.95), None);
        assert!(interval.contains(50.0) && !interval.contains(1.0) && (interval.half_width() - 47.5).abs() < 1e-12);
    }
}
