//! Random numbers for drawing.
//!
//! Drawn sets are pinned by tests, so everything they depend on is pinned here: the mapping from bits to numbers is ours
//! rather than the random library's, and the only arithmetic is that of IEEE 754 (`+ - * /` and square roots), which gives the
//! same bits on every machine. Libraries' sines and exponentials do not.

use medley_core::seed::ChaCha8Rng;
use rand::Rng as _;

/// A stream of numbers for one image.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub(super) fn new(stream: ChaCha8Rng) -> Self {
        Self(stream)
    }

    /// Uniform in [0, 1).
    pub(super) fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in [0, 1), with the 53 bits that rare classes need.
    pub(super) fn fine(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform between two bounds.
    pub(super) fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// A whole number between two bounds, both included.
    pub(super) fn count(&mut self, low: usize, high: usize) -> usize {
        low + (self.unit() * (high - low + 1) as f32) as usize
    }

    /// Whether something of this probability happens.
    pub(super) fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// 1 or -1.
    pub(super) fn sign(&mut self) -> f32 {
        if self.chance(0.5) { 1.0 } else { -1.0 }
    }

    /// Nearly normal with mean 0 and standard deviation 1: the sum of eight bytes. Within -4.9..4.9.
    pub(super) fn normal(&mut self) -> f32 {
        let sum: u32 = self.0.next_u64().to_le_bytes().into_iter().map(u32::from).sum();
        // The variance of a uniform byte is (256^2 - 1) / 12.
        (sum as f32 - 1020.0) / 209.02
    }

    /// A normal number with this mean and standard deviation, within two deviations.
    pub(super) fn around(&mut self, mean: f32, deviation: f32) -> f32 {
        mean + deviation * self.normal().clamp(-2.0, 2.0)
    }

    /// Noise for many pixels at once, mean 0, standard deviation 1, triangular: the sum of two bytes.
    pub(super) fn noise(&mut self, count: usize) -> Vec<f32> {
        let mut bytes = vec![0; 2 * count];
        self.0.fill_bytes(&mut bytes);
        bytes.chunks_exact(2).map(|pair| (f32::from(pair[0]) + f32::from(pair[1]) - 255.0) / 104.51).collect()
    }
}

/// The sine of an angle in turns, to within 0.0011, in arithmetic that is the same everywhere.
pub(super) fn sine(turns: f32) -> f32 {
    let rest = turns - turns as i32 as f32;
    let t = if rest > 0.5 {
        rest - 1.0
    } else if rest < -0.5 {
        rest + 1.0
    } else {
        rest
    };
    let parabola = 8.0 * t - 16.0 * t * t.abs();
    parabola + 0.225 * (parabola * parabola.abs() - parabola)
}

/// The cosine of an angle in turns.
pub(super) fn cosine(turns: f32) -> f32 {
    sine(turns + 0.25)
}

/// A bell of height 1 around 0 that is 0 beyond -1 and 1.
pub(super) fn bell(at: f32) -> f32 {
    let rest = (1.0 - at * at).max(0.0);
    rest * rest
}

/// Rises from 0 at `low` to 1 at `high` without a kink.
pub(super) fn step(low: f32, high: f32, at: f32) -> f32 {
    let t = ((at - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use std::f32::consts::TAU;

    use medley_core::seed::{Purpose, stream};

    use super::*;

    #[test]
    fn sines_are_near_the_real_ones() {
        for i in -4000..4000 {
            let turns = i as f32 / 1000.0;
            assert!((sine(turns) - (turns * TAU).sin()).abs() < 0.0012, "{turns}");
            assert!((cosine(turns) - (turns * TAU).cos()).abs() < 0.0012, "{turns}");
        }
    }

    #[test]
    fn noise_has_the_stated_moments() {
        let mut draws = Draws::new(stream(0, Purpose::Synthetic, &[]));
        let moments = |values: &[f32]| {
            let mean = values.iter().sum::<f32>() / values.len() as f32;
            (mean, values.iter().map(|value| (value - mean) * (value - mean)).sum::<f32>() / values.len() as f32)
        };
        let normal: Vec<f32> = (0..20_000).map(|_| draws.normal()).collect();
        for (mean, variance) in [moments(&draws.noise(20_000)), moments(&normal)] {
            assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "{mean} {variance}");
        }
    }

    #[test]
    fn counts_reach_both_bounds_and_no_further() {
        let mut draws = Draws::new(stream(1, Purpose::Synthetic, &[]));
        let counts: std::collections::BTreeSet<usize> = (0..1000).map(|_| draws.count(3, 6)).collect();
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), [3, 4, 5, 6]);
    }
}
