//! What a list says of a run.

use std::path::PathBuf;

use medley_core::statistics::{mean, standard_deviation};
use serde::Serialize;

use crate::validation::ValidationScore;

/// How far a run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// All seeds are trained, and its results are written.
    Finished,
    /// A process holds its lock.
    Running,
    /// Something is left to be trained, and no process is at it: stopped, killed, or ended by an error.
    Interrupted,
    /// A file that the rest depends on cannot be used.
    Damaged,
}

impl State {
    /// As lists write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Damaged => "damaged",
        }
    }
}

/// One run, as far as its files tell. What is not known is `None` or empty.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overview {
    /// Where it lies.
    pub path: PathBuf,
    /// The name of its folder.
    pub name: String,
    /// How far it has come.
    pub state: State,
    /// What is wrong with its files, if anything is.
    pub problem: Option<String>,
    /// Names of its tasks, in their order.
    pub tasks: Vec<String>,
    /// Whether any data is synthetic.
    pub synthetic: bool,
    /// Name of the run that it began from.
    pub parent: Option<String>,
    /// The network.
    pub model: Option<Model>,
    /// Its seeds in order, and how far each has come.
    pub seeds: Vec<SeedEpochs>,
    /// Epochs that each seed is to have.
    pub epochs: Option<usize>,
    /// What its epochs were selected by, over the seeds.
    pub validation: Option<ValidationScore>,
    /// Harmonic mean of the test macro-F1, over the seeds.
    pub test: TestScore,
    /// When it was made, RFC 3339 in UTC.
    pub created: Option<String>,
    /// The sum of the sizes of its files, if it was asked for.
    pub bytes: Option<u64>,
    /// What people called it.
    pub tags: Vec<String>,
    /// What people noted of it.
    pub note: Option<String>,
}

/// The backbone of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// Its name in the config.
    pub backbone: String,
    /// Channels of its first stage, where the config sets them.
    pub width: Option<u64>,
}

impl std::fmt::Display for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.width {
            Some(width) => write!(f, "{} w{width}", self.backbone),
            None => f.write_str(&self.backbone),
        }
    }
}

/// How far a seed has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SeedEpochs {
    /// The seed.
    pub seed: u64,
    /// Epochs that are trained and validated; `None` of a seed that is finished, which may have stopped early.
    pub epochs: Option<usize>,
    /// Whether its results are kept.
    pub finished: bool,
}

/// What a run says about the test split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum TestScore {
    /// Scored, for every seed.
    Scored(Mean),
    /// Its labels were opened for some predictions, and the results are not complete.
    Opened,
    /// Its labels are shut.
    NotOpened,
    /// The files do not tell.
    Unknown,
}

impl TestScore {
    /// The score, where there is one.
    pub fn mean(&self) -> Option<f64> {
        if let Self::Scored(score) = self { Some(score.mean) } else { None }
    }
}

/// A mean over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Mean {
    /// Arithmetic mean.
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for a single seed.
    pub standard_deviation: Option<f64>,
    /// Seeds that it is of.
    pub seeds: usize,
}

impl Mean {
    /// Of the values of some seeds; `None` where one is not finite, or there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let (seeds, mean, standard_deviation) = (values.len(), mean(values), standard_deviation(values));
        mean.is_finite().then_some(Self { mean, standard_deviation, seeds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_what_is_defined() {
        assert_eq!(Mean::of(&[0.5]), Some(Mean { mean: 0.5, standard_deviation: None, seeds: 1 }));
        let two = Mean::of(&[0.25, 0.75]).unwrap();
        assert!((two.standard_deviation.unwrap() - 0.125_f64.sqrt()).abs() < 1e-12);
        assert_eq!([Mean::of(&[]), Mean::of(&[f64::NAN, 1.0])], [None, None]);
    }
}
