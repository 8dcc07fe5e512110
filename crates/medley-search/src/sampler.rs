//! Which point a trial tries.
//!
//! A proposal is a function of what an [`Ask`] says: the study's seed, the number of the trial, and the trials that were seen. No
//! sampler keeps anything from one proposal to the next, so whoever has the record of what was seen derives the same point again.
//! Logarithms and exponentials come from `libm`, which has the same bits on every machine.
//!
//! | name | points | sees other trials |
//! |---|---|---|
//! | `grid` | all combinations, in order; ends | no |
//! | `random` | independent, even | no |
//! | `sobol` | scrambled Sobol sequence: even together | no |
//! | `tpe` | multivariate tree-structured Parzen estimator | yes |
//! | `gp` | Gaussian process with expected improvement | yes |

mod gp;
mod grid;
mod normal;
mod random;
mod sobol;
mod tpe;

use serde::{Deserialize, Serialize};

pub use gp::Gp;
pub use grid::Grid;
pub use random::Random;
pub use sobol::Sobol;
pub use tpe::Tpe;

use crate::{Point, Space};

/// Which values are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Lower ones, as of a loss.
    Minimize,
    /// Higher ones, as of a score.
    Maximize,
}

impl Direction {
    /// A value as something that is to become small.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Self::Minimize => value,
            Self::Maximize => -value,
        }
    }
}

/// What became of a trial, as far as a sampler is concerned.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// It ended with this value.
    Finished(f64),
    /// A pruner stopped or paused it at this rung, where it had this value.
    Stopped {
        /// The rung.
        rung: u64,
        /// Its value there.
        value: f64,
    },
    /// It has not ended.
    Running,
    /// It ended without a value.
    Failed,
}

/// A trial that a sampler sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// Its number.
    pub number: u64,
    /// Its point, as [`Space::encode`] has it.
    pub cube: Vec<Option<f64>>,
    /// What became of it.
    pub outcome: Outcome,
}

/// All that a proposal depends on.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// What is searched.
    pub space: &'a Space,
    /// Which values are better.
    pub direction: Direction,
    /// The seed of the study.
    pub seed: u64,
    /// The number of the trial, from 0.
    pub number: u64,
    /// Other trials, by number.
    pub seen: &'a [Observation],
}

/// A way to choose points.
pub trait Sampler {
    /// The point of a trial; `None` where there are no more.
    fn propose(&self, ask: &Ask<'_>) -> Option<Point>;

    /// Whether points depend on other trials: then the order in which trials end matters.
    fn sees_others(&self) -> bool {
        true
    }
}

/// A sampler by its name, with its keys: `[sampler]` of a study.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
#[non_exhaustive]
pub enum SamplerConfig {
    /// [`Grid`].
    Grid(Grid),
    /// [`Random`].
    Random(Random),
    /// [`Sobol`].
    Sobol(Sobol),
    /// [`Tpe`].
    Tpe(Tpe),
    /// [`Gp`].
    Gp(Gp),
}

impl SamplerConfig {
    /// The names.
    pub const NAMES: [&str; 5] = ["grid", "random", "sobol", "tpe", "gp"];

    fn sampler(&self) -> &dyn Sampler {
        match self {
            Self::Grid(sampler) => sampler,
            Self::Random(sampler) => sampler,
            Self::Sobol(sampler) => sampler,
            Self::Tpe(sampler) => sampler,
            Self::Gp(sampler) => sampler,
        }
    }

    /// Checks ranges of keys.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn check(&self) -> Result<(), medley_core::keys::KeyError> {
        use medley_core::keys::Table as _;
        match self {
            Self::Grid(keys) => keys.check("sampler"),
            Self::Random(keys) => keys.check("sampler"),
            Self::Sobol(keys) => keys.check("sampler"),
            Self::Tpe(keys) => keys.check("sampler"),
            Self::Gp(keys) => keys.check("sampler"),
        }
    }
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self::Tpe(Tpe::default())
    }
}

impl Sampler for SamplerConfig {
    fn propose(&self, ask: &Ask<'_>) -> Option<Point> {
        self.sampler().propose(ask)
    }

    fn sees_others(&self) -> bool {
        self.sampler().sees_others()
    }
}

#[cfg(test)]
mod tests;
