//! The number that a run's epochs were selected by.

use medley_core::record::EpochMetrics;
use serde::Serialize;

use crate::overview::Mean;

/// What `select.name` of a config says: see `medley config keys select`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Harmonic mean over the tasks of their macro-F1; also of runs whose config does not say.
    MacroF1,
    /// Mean over the tasks of their AUC, where it is defined.
    Auc,
    /// Mean over the tasks of their accuracy.
    Accuracy,
    /// Mean over the tasks of their loss: lower is better.
    Loss,
}

impl Selection {
    /// By its name in configs; `None` of one that this program does not know.
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::MacroF1, Self::Auc, Self::Accuracy, Self::Loss].into_iter().find(|selection| selection.as_str() == name)
    }

    /// Its name in configs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MacroF1 => "macro_f1",
            Self::Auc => "auc",
            Self::Accuracy => "accuracy",
            Self::Loss => "loss",
        }
    }

    /// A number that is higher for a better score of this selection.
    pub fn goodness(self, score: f64) -> f64 {
        if self == Self::Loss { -score } else { score }
    }

    /// Of the metrics of an epoch; NaN where it is not defined.
    pub fn of_epoch(self, epoch: &EpochMetrics) -> f64 {
        let tasks = || epoch.validation.iter();
        match self {
            Self::MacroF1 => epoch.harmonic_mean,
            Self::Auc => mean(tasks().filter_map(|task| task.auc)),
            Self::Accuracy => mean(tasks().map(|task| task.accuracy)),
            Self::Loss => mean(tasks().map(|task| task.loss)),
        }
    }
}

/// The validation of a run in one number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ValidationScore {
    /// Which number it is.
    pub selection: Selection,
    /// Its mean over the seeds that are finished; of a run without any, that of the seed in progress.
    #[serde(flatten)]
    pub mean: Mean,
    /// The epoch that it is of, for a seed in progress; `None` where it is of the selected epochs.
    pub epoch: Option<usize>,
}

/// The mean of what is defined; NaN without any.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = values.fold((0.0, 0_usize), |(sum, count), value| (sum + value, count + 1));
    sum / count as f64
}

#[cfg(test)]
mod tests {
    use medley_core::record::TaskMetrics;

    use super::*;

    #[test]
    fn selections_are_those_of_training() {
        let task = |loss, auc, accuracy| TaskMetrics { task: "a".into(), loss, auc, accuracy, macro_f1: 0.0 };
        let epoch = EpochMetrics {
            seed: 0,
            epoch: 0,
            train_loss: 0.0,
            learning_rate: 0.0,
            validation: vec![task(1.0, Some(0.75), 0.5), task(3.0, None, 1.0)],
            harmonic_mean: 0.25,
        };
        let scores =
            ["macro_f1", "auc", "accuracy", "loss"].map(|name| Selection::by_name(name).unwrap().of_epoch(&epoch));
        assert_eq!(scores, [0.25, 0.75, 0.75, 2.0]);
        assert!(Selection::Loss.goodness(0.1) > Selection::Loss.goodness(0.2));
        assert_eq!(Selection::by_name("newer"), None);
    }
}
