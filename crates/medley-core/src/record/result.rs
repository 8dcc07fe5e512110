//! What a run has come to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Split;

/// How one class fared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassResult {
    /// Class name.
    pub name: String,
    /// True examples.
    pub support: u64,
    /// Times predicted.
    pub predicted: u64,
    /// True positives over predicted; 0 if never predicted.
    pub precision: f64,
    /// True positives over support; 0 if absent.
    pub recall: f64,
    /// Harmonic mean of the two; 0 if both are 0.
    pub f1: f64,
}

/// The metrics of one task on one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Task name.
    pub task: String,
    /// Which split.
    pub split: Split,
    /// Images scored.
    pub rows: usize,
    /// As the official evaluator defines it; `None` where undefined (a class without examples).
    pub auc: Option<f64>,
    /// As the official evaluator defines it.
    pub accuracy: f64,
    /// As scikit-learn defines it, `zero_division = 0`.
    pub macro_f1: f64,
    /// In class order.
    pub per_class: Vec<ClassResult>,
    /// `confusion[truth][predicted]`; empty for multi-label tasks.
    pub confusion: Vec<Vec<u64>>,
}

/// All tasks of one split by one predictor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ScoreSet {
    /// In task order.
    pub tasks: Vec<TaskResult>,
    /// Harmonic mean of the macro-F1 over the tasks; 0 if any is 0 (the strict rule).
    pub harmonic_mean: f64,
    /// Bootstrap intervals of these metrics; `None` for validation, and in runs of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intervals: Option<ScoreIntervals>,
}

/// A two-sided interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// Half of its width.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// Whether a value lies inside.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// How bootstrap resamples were drawn. The same numbers give the same intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resampling {
    /// Resamples, or permutations.
    pub resamples: usize,
    /// Share of the resamples that an interval holds, 0 to 1.
    pub confidence: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Resampling {
    fn default() -> Self {
        Self { resamples: 1000, confidence: 0.95, seed: 0 }
    }
}

/// Bootstrap intervals of the metrics of a [`ScoreSet`], or of their mean over seeds. `medley_metrics::bootstrap` defines them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoreIntervals {
    /// How the resamples were drawn.
    pub resampling: Resampling,
    /// In task order.
    pub tasks: Vec<TaskIntervals>,
    /// Of the harmonic mean; `None` where that of a task's macro-F1 is.
    pub harmonic_mean: Option<Interval>,
}

/// Intervals of one task's metrics; `None` where the metric is not defined for the sample or for one of its resamples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskIntervals {
    /// Of the AUC.
    pub auc: Option<Interval>,
    /// Of the accuracy.
    pub accuracy: Option<Interval>,
    /// Of the macro-F1.
    pub macro_f1: Option<Interval>,
}

/// The results of one seed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedResult {
    /// Its seed.
    pub seed: u64,
    /// Epochs finished at the best checkpoint (1-based).
    pub best_epoch: usize,
    /// Validation metrics of the best checkpoint: optimistic where it was selected on them.
    pub validation: ScoreSet,
    /// Test metrics of the best checkpoint; `None` while the test split is not scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<ScoreSet>,
    /// Why training ended before its last epoch, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The tasks whose best network is not that of the joint training, and which one it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fine_tuned: BTreeMap<String, FineTuned>,
}

/// The network of a later phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FineTuned {
    /// Its folder among the checkpoints of the seed, such as `phase-1-breastmnist`.
    pub stage: String,
    /// Epochs of that phase finished at its best checkpoint (1-based).
    pub epoch: usize,
}

/// `results/seed-0.json`: the results of one seed, kept as soon as they exist. A run that goes on leaves such a seed alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedRecord {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
    pub schema_version: u32,
    /// What `results.json` will say.
    pub result: SeedResult,
    /// The files of predictions that were scored: of the validation split, then of the test split, in task order.
    pub predictions: Vec<PredictionRecord>,
}

/// A file under `predictions/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionRecord {
    /// Task name.
    pub task: String,
    /// Which split.
    pub split: Split,
    /// File name, without its folder.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// Mean and spread of one metric over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Task name, or `all` for the harmonic mean.
    pub task: String,
    /// `auc`, `accuracy`, `macro_f1` or `harmonic_mean`.
    pub metric: String,
    /// Arithmetic mean over seeds.
    pub mean: f64,
    /// Sample standard deviation (n - 1); `None` for a single seed.
    pub standard_deviation: Option<f64>,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
}

/// `results.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResults {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
    pub schema_version: u32,
    /// Name of the run folder.
    pub run: String,
    /// Whether any data was synthetic: such results say nothing about medicine or the benchmark.
    pub synthetic: bool,
    /// One entry per seed.
    pub seeds: Vec<SeedResult>,
    /// Test metrics over seeds; empty while the test split is not scored.
    pub summary: Vec<Spread>,
    /// Bootstrap intervals of the means over seeds, in which the seeds share their resamples; `None` for a single seed, and in
    /// runs of older programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_intervals: Option<ScoreIntervals>,
    /// Test metrics of the mean of all seeds' probabilities; `None` for a single seed. The submission is made of it.
    pub ensemble: Option<ScoreSet>,
}

impl RunResults {
    /// Test metrics of the seeds that are scored on the test split, in the order of the seeds: of all of them, or of none.
    pub fn test_sets(&self) -> impl Iterator<Item = &ScoreSet> {
        self.seeds.iter().filter_map(|seed| seed.test.as_ref())
    }

    /// Whether the test split is scored.
    pub fn is_tested(&self) -> bool {
        !self.seeds.is_empty() && self.seeds.iter().all(|seed| seed.test.is_some())
    }

    /// The seed with the highest harmonic mean of macro-F1 on validation; of equals, the first. Test scores play no part.
    pub fn best_seed(&self) -> Option<u64> {
        let score = |seed: &SeedResult| seed.validation.harmonic_mean;
        let seeds = self.seeds.iter().filter(|seed| score(seed).is_finite());
        seeds.reduce(|best, seed| if score(seed) > score(best) { seed } else { best }).map(|seed| seed.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_seed_is_chosen_on_validation() {
        let seed = |seed, validation, test| {
            let set = |harmonic_mean| ScoreSet { harmonic_mean, ..ScoreSet::default() };
            let (validation, test) = (set(validation), Some(set(test)));
            SeedResult { seed, best_epoch: 1, validation, test, stopped: None, fine_tuned: BTreeMap::new() }
        };
        let of = |seeds| RunResults {
            schema_version: super::super::SCHEMA_VERSION,
            run: "run".into(),
            synthetic: false,
            seeds,
            summary: Vec::new(),
            mean_intervals: None,
            ensemble: None,
        };
        let all = vec![seed(4, f64::NAN, 1.0), seed(0, 0.5, 0.9), seed(7, 0.6, 0.1), seed(2, 0.6, 0.8)];
        assert_eq!(of(all).best_seed(), Some(7), "the first of equals");
        assert_eq!(of(vec![seed(4, f64::NAN, 1.0)]).best_seed(), None);
        assert_eq!(of(Vec::new()).best_seed(), None);
    }
}
