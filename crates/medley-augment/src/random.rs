//! The numbers of one draw.

use medley_core::seed::{ChaCha8Rng, Purpose, stream};
use rand::{Rng as _, SeedableRng as _};

/// A random stream, and the few distributions that transforms need. The same numbers on every machine.
#[derive(Debug, Clone)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// The stream of one image in one epoch.
    pub fn for_sample(seed: u64, epoch: u64, task: u32, index: u32) -> Self {
        Self(stream(seed, Purpose::Augment, &[epoch, u64::from(task), u64::from(index)]))
    }

    /// A stream of its own, for whatever needs many numbers when a plan is carried out.
    pub fn from_seed(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// 64 fair bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Uniform in `[0, 1)`, a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 * 2.0_f32.powi(-24)
    }

    /// Uniform between `low` and `high`.
    pub fn between(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.unit()
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
        }
        assert!(seen.iter().all(|&count| count > 140), "{seen:?}");
    }
}
