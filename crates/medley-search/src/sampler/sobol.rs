use medley_core::seed::{Purpose, number};

use super::{Ask, Sampler};
use crate::Point;

medley_core::keys! {
    /// A Sobol sequence (Joe and Kuo's directions) with Owen's scrambling: any stretch of it fills the space more evenly than chance.
    pub struct Sobol {}
}

/// Points of a sequence; after so many another scrambling begins.
const LENGTH: u64 = 1 << 16;

impl Sobol {
    /// A place in the cube.
    ///
    /// Source: Burley, *Practical Hash-based Owen Scrambling*, JCGT 2020, by the crate `sobol_burley`.
    pub(super) fn place(seed: u64, trial: u64, dimensions: usize) -> Vec<f64> {
        let scrambling = number(seed, Purpose::Search, &[u64::MAX, trial / LENGTH]) as u32;
        let index = (trial % LENGTH) as u32;
        (0..dimensions as u32).map(|dimension| f64::from(sobol_burley::sample(index, dimension, scrambling))).collect()
    }
}

impl Sampler for Sobol {
    fn propose(&self, ask: &Ask<'_>) -> Option<Point> {
        Some(ask.space.decode(&Self::place(ask.seed, ask.number, ask.space.dimensions().len())))
    }

    fn sees_others(&self) -> bool {
        false
    }
}
