//! Which trials are worth going on with.
//!
//! A trial reports its value at rungs: whole numbers that only go up, such as epochs. A pruner is a pure function of what trials have
//! reported: it says what becomes of a trial that has just done so, and which paused trial is to go on.
//!
//! | name | what it does | source |
//! |---|---|---|
//! | `none` | every trial goes on to its end | |
//! | `median` | prunes a trial whose best value is worse than the median of the others at that rung | Golovin et al., *Google Vizier*, 2017 |
//! | `halving` | pauses a cohort at each level, and promotes the best of it when all are there | Jamieson and Talwalkar, 2016 |
//! | `asha` | pauses at each level, and promotes whoever is among the best so far | Li et al., *A System for Massively Parallel Hyperparameter Tuning*, 2020 |
//! | `hyperband` | `asha` in brackets that begin at different levels | Li et al., *Hyperband*, 2018 |
//! | `patience` | ends a trial that has not become better for some reports, with its best value | |

mod halving;
mod median;
mod patience;

use serde::{Deserialize, Serialize};

use crate::Direction;
pub use halving::{Asha, Halving, Hyperband};
pub use median::Median;
pub use patience::Patience;

/// A trial as a pruner sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    /// Its number.
    pub number: u64,
    /// What it has reported: rung and value, rungs going up.
    pub rungs: Vec<(u64, f64)>,
    /// Where it is.
    pub state: TrialState,
}

/// Where a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrialState {
    /// A worker has it.
    Running,
    /// A worker has put it back, and another may take it.
    Waiting,
    /// It is at a rung, and may be promoted.
    Paused,
    /// It has ended with a value.
    Finished,
    /// It was ended by a pruner.
    Pruned,
    /// It has ended without a value.
    Failed,
}

impl TrialState {
    /// Whether nothing more becomes of it.
    pub fn has_ended(self) -> bool {
        matches!(self, Self::Finished | Self::Pruned | Self::Failed)
    }
}

/// What becomes of a trial that has reported a rung.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on.
    Continue,
    /// It ends here: it is not worth going on with.
    Prune,
    /// It ends here with the best value that it has had.
    Finish,
    /// It stops, and may be promoted later: it keeps what it needs to go on.
    Pause,
    /// The study was stopped, or another worker has the trial: it stops, and another worker goes on with it.
    Leave,
}

impl History {
    /// The value at a rung.
    fn at(&self, rung: u64) -> Option<f64> {
        self.rungs.iter().find(|(reported, _)| *reported == rung).map(|(_, value)| *value)
    }

    /// The last rung.
    fn last(&self) -> Option<(u64, f64)> {
        self.rungs.last().copied()
    }
}

/// A way to choose which trials go on.
pub trait Pruner {
    /// What becomes of a trial that has just reported the last of its rungs. `others` are all other trials, in any order.
    fn judge(&self, direction: Direction, trial: &History, others: &[History]) -> Verdict;

    /// The paused trial that is to go on next.
    fn promote(&self, direction: Direction, trials: &[History]) -> Option<u64> {
        let _ = (direction, trials);
        None
    }
}

/// A pruner by its name, with its keys: `[pruner]` of a study.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "lowercase")]
#[non_exhaustive]
pub enum PrunerConfig {
    /// Every trial goes on to its end.
    #[default]
    None,
    /// [`Median`].
    Median(Median),
    /// [`Halving`].
    Halving(Halving),
    /// [`Asha`].
    Asha(Asha),
    /// [`Hyperband`].
    Hyperband(Hyperband),
    /// [`Patience`].
    Patience(Patience),
}

impl PrunerConfig {
    /// The names.
    pub const NAMES: [&str; 6] = ["none", "median", "halving", "asha", "hyperband", "patience"];

    fn pruner(&self) -> Option<&dyn Pruner> {
        match self {
            Self::None => None,
            Self::Median(pruner) => Some(pruner),
            Self::Halving(pruner) => Some(pruner),
            Self::Asha(pruner) => Some(pruner),
            Self::Hyperband(pruner) => Some(pruner),
            Self::Patience(pruner) => Some(pruner),
        }
    }

    /// The rungs at which it may stop or pause a trial; `None` where it may at each.
    pub fn levels(&self, number: u64) -> Option<Vec<u64>> {
        match self {
            Self::None => Some(Vec::new()),
            Self::Median(_) | Self::Patience(_) => None,
            Self::Halving(keys) => Some(keys.levels()),
            Self::Asha(keys) => Some(keys.levels()),
            Self::Hyperband(keys) => Some(keys.levels_of(keys.bracket(number))),
        }
    }

    /// Where trials end by themselves, as the pruner was told.
    pub fn last(&self) -> Option<u64> {
        match self {
            Self::None | Self::Median(_) | Self::Patience(_) => None,
            Self::Halving(keys) => Some(keys.last()),
            Self::Asha(keys) => Some(keys.last()),
            Self::Hyperband(keys) => Some(keys.last()),
        }
    }

    /// Checks ranges of keys.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn check(&self) -> Result<(), medley_core::keys::KeyError> {
        use medley_core::keys::Table as _;
        match self {
            Self::None => Ok(()),
            Self::Median(keys) => keys.check("pruner"),
            Self::Halving(keys) => keys.check("pruner"),
            Self::Asha(keys) => keys.check("pruner"),
            Self::Hyperband(keys) => keys.check("pruner"),
            Self::Patience(keys) => keys.check("pruner"),
        }
    }
}

impl Pruner for PrunerConfig {
    fn judge(&self, direction: Direction, trial: &History, others: &[History]) -> Verdict {
        self.pruner().map_or(Verdict::Continue, |pruner| pruner.judge(direction, trial, others))
    }

    fn promote(&self, direction: Direction, trials: &[History]) -> Option<u64> {
        self.pruner().and_then(|pruner| pruner.promote(direction, trials))
    }
}

#[cfg(test)]
mod tests;
