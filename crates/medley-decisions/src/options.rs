use serde::{Deserialize, Serialize};

use crate::DecisionError;

/// How rules and weights are fitted and judged. The same options and the same rows give the same bits, with any number of threads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct FitOptions {
    /// Parts for cross-fitting, 2 or more.
    pub folds: usize,
    /// Level of the one-sided interval whose lower end has to be above 0, within 0.5 to 1. Several rules share the error that it allows.
    pub level: f64,
    /// Bootstrap resamples, 2 or more.
    pub resamples: usize,
    /// Seed of the folds and of the resamples.
    pub seed: u64,
    /// Strength of the shrinkage: a parameter at a distance of 1 from where it changes nothing costs this, divided by the rows, in
    /// macro-F1. About as much as one row decided otherwise.
    pub ridge: f64,
}

impl Default for FitOptions {
    fn default() -> Self {
        Self { folds: 5, level: 0.9, resamples: 2000, seed: 0, ridge: 1.0 }
    }
}

impl FitOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    /// [`DecisionError::Option`].
    pub fn check(&self) -> Result<(), DecisionError> {
        let fail = |key, value, allowed| Err(DecisionError::Option { key, value, allowed });
        if self.folds < 2 {
            return fail("folds", self.folds as f64, "at least 2");
        }
        if self.resamples < 2 {
            return fail("resamples", self.resamples as f64, "at least 2");
        }
        if !(0.5..1.0).contains(&self.level) {
            return fail("level", self.level, "at least 0.5 and below 1");
        }
        if !(self.ridge >= 0.0 && self.ridge.is_finite()) {
            return fail("ridge", self.ridge, "a finite number that is not negative");
        }
        Ok(())
    }

    /// The level of each of so many intervals, so that together they err as often as one of [`Self::level`] does (Bonferroni).
    pub(crate) fn level_of_each(&self, intervals: usize) -> f64 {
        1.0 - (1.0 - self.level) / intervals.max(1) as f64
    }

    /// Rows below which nothing is fitted: 30, and two for each fold. Resampling within classes of one or two images moves next to nothing,
    /// so an interval would claim what nobody knows.
    pub(crate) fn fewest_rows(&self) -> usize {
        self.folds.saturating_mul(2).max(30)
    }
}
