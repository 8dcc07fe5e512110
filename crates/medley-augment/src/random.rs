//! The numbers of one draw.

use medley_core::seed::{ChaCha8Rng, Purpose, stream};
use rand::{Rng as _, SeedableRng as _};

/// A random stream, and the few distributions that transforms need. The same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of one image in one epoch.
    pub fn for_sample(seed: u64, epoch: u64, task: usize, index: usize) -> Self {
        Self(stream(seed, Purpose::Augment, &[epoch, task as u64, index as u64]))
    }

    /// The stream of one of several copies of an image in one epoch: of the first, that of the image.
    pub fn for_copy(seed: u64, epoch: u64, task: usize, index: usize, copy: u64) -> Self {
        match copy {
            0 => Self::for_sample(seed, epoch, task, index),
            _ => Self(stream(seed, Purpose::Augment, &[epoch, task as u64, index as u64, copy])),
        }
    }

    /// The stream of one batch in one epoch, apart from those of its images.
    pub fn for_batch(seed: u64, epoch: u64, batch: u64) -> Self {
        Self(stream(seed, Purpose::Augment, &[epoch, batch]))
    }

    /// A stream of its own, for whatever needs many numbers when a plan is carried out.
    pub fn from_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 64 fair bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Fair bits.
    pub fn fill(&mut self, words: &mut [u32]) {
        for word in words {
            *word = self.0.next_u32();
        }
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-53.
    pub fn unit64(&mut self) -> f64 {
        (self.bits() >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Uniform between `low` and `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
    }

    /// Uniform in the logarithm between `low` and `high`, both positive: a half is as likely as a double.
    pub fn between_ratios(&mut self, low: f32, high: f32) -> f32 {
        let (low, high) = (libm::logf(low), libm::logf(high));
        libm::expf(self.between(low, high))
    }

    /// True with this probability; 0 is never and 1 is always.
    pub fn chance(&mut self, probability: f32) -> bool {
        self.unit() < probability
    }

    /// Uniform in `0..bound`; 0 if `bound` is 0. Biased by less than `bound` / 2^32.
    pub fn below(&mut self, bound: u32) -> u32 {
        ((u64::from(self.0.next_u32()) * u64::from(bound)) >> 32) as u32
    }

    /// Uniform in `-limit..=limit`.
    pub fn whole(&mut self, limit: u32) -> i32 {
        self.below(2 * limit + 1) as i32 - limit as i32
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.unit64()));
        radius * libm::cos(std::f64::consts::TAU * self.unit64())
    }

    /// Gamma with this shape and scale 1, by Marsaglia and Tsang, *A simple method for generating gamma variables* (2000).
    #[allow(clippy::many_single_char_names, reason = "the names of the paper")]
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            // Gamma(a) = Gamma(a + 1) * U^(1/a).
            let boost = libm::pow(1.0 - self.unit64(), 1.0 / shape);
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / libm::sqrt(9.0 * d);
        loop {
            let x = self.normal();
            let v = (1.0 + c * x) * (1.0 + c * x) * (1.0 + c * x);
            let u = 1.0 - self.unit64();
            if v > 0.0 && libm::log(u) < 0.5 * x * x + d - d * v + d * libm::log(v) {
                return d * v;
            }
        }
    }

    /// Beta(alpha, alpha), within 0-1.
    pub fn beta(&mut self, alpha: f64) -> f64 {
        let (a, b) = (self.gamma(alpha), self.gamma(alpha));
        // With a tiny alpha both may be 0 by underflow: then one of the ends, as the distribution wants.
        if a + b > 0.0 { a / (a + b) } else { f64::from(self.below(2)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_keep_their_ranges() {
        let mut random = Random::for_sample(1, 2, 3, 4);
        let mut seen = [0; 5];
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&random.unit()));
            assert!(!random.chance(0.0) && random.chance(1.0));
            seen[(random.whole(2) + 2) as usize] += 1;
            assert_eq!(random.below(1), 0);
            assert!((0.49..2.01).contains(&random.between_ratios(0.5, 2.0)));
        }
        assert!(seen.iter().all(|&count| count > 140), "{seen:?}");
    }

    #[test]
    fn gamma_and_beta_have_their_moments() {
        for shape in [0.2, 1.0, 3.5] {
            let mut random = Random::from_seed(3);
            let values: Vec<f64> = (0..50_000).map(|_| random.gamma(shape)).collect();
            let mean = values.iter().sum::<f64>() / 5e4;
            let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 5e4;
            assert!((mean - shape).abs() < 0.03 * shape.max(0.5), "{shape}: mean {mean}");
            assert!((variance - shape).abs() < 0.08 * shape.max(0.5), "{shape}: variance {variance}");
            let beta: Vec<f64> = (0..50_000).map(|_| random.beta(shape)).collect();
            let mean = beta.iter().sum::<f64>() / 5e4;
            let variance = beta.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 5e4;
            assert!((mean - 0.5).abs() < 0.01, "{shape}: mean {mean}");
            assert!((variance - 0.25 / (2.0 * shape + 1.0)).abs() < 0.005, "{shape}: variance {variance}");
        }
        assert!((0.0..=1.0).contains(&Random::from_seed(0).beta(1e-9)));
    }
}
