//! What a run leaves behind, as written to its folder and as read by reports.
//!
//! Every file carries [`SCHEMA_VERSION`]. Readers accept unknown fields, so a newer run can be read by an older program as
//! long as the version is the same.

mod epoch;
mod gallery;
mod robustness;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Convolutions, MemoryLayout, Origin, Precision, Split, TaskSpec};

pub use epoch::{EpochMetrics, MetricRow, TaskMetrics};
pub use gallery::{Gallery, GalleryCase, GalleryNeighbour, GalleryTask, LARGEST_GALLERY, LARGEST_PICTURE};
pub use robustness::{CorruptionErrors, RobustnessRecord, SEVERITIES, TaskRobustness};

/// Version of the files described here.
pub const SCHEMA_VERSION: u32 = 1;

/// `manifest.json`: everything the bits of a run depend on, and where it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the run folder when it was made.
    pub run: String,
    /// When the run was made, RFC 3339 in UTC. Nothing depends on it.
    pub created: String,
    /// Seeds of the run.
    pub seeds: Vec<u64>,
    /// What computed.
    pub environment: Environment,
    /// What was tried to choose precision, layout and replicas, in that order; empty when the config left nothing open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<CalibrationTrial>,
    /// What it computed on, in the order of the tasks.
    pub data: Vec<DataRecord>,
    /// Where those files lay when the run was made, an absolute path: resuming and scoring look there first. `None` in older
    /// manifests, and where the path is not Unicode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_folder: Option<String>,
    /// What pixels were normalised by, by task: who uses the weights elsewhere needs it. Empty in older manifests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub normalisation: BTreeMap<String, ChannelStatistics>,
    /// The weights that training started from, if they were not initialised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<WeightsRecord>,
    /// The run that it began from, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The networks that it learns from, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<TeacherRecord>,
    /// The folds, if validation is on one of several. The rows of [`Self::data`] are then those of the fold and of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldsRecord>,
    /// SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// `git rev-parse HEAD` of the working directory, with `-dirty` if it had changes; `None` outside a repository.
    pub git_revision: Option<String>,
    /// Whether the run leaves the test labels shut until `medley test` asks for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_test: bool,
    /// Every time that the run opened test labels, in order. The only part of the manifest that grows. Empty in older manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_openings: Vec<TestOpening>,
}

/// One opening of test labels. It is recorded before the labels open, so that there is none without a record; scoring the same
/// predictions again is not another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestOpening {
    /// When, RFC 3339 in UTC.
    pub when: String,
    /// The subcommand: `train`, `resume` or `test`.
    pub by: String,
    /// Whose predictions: `seed 3`, or `ensemble`.
    pub predictor: String,
    /// SHA-256 of the file of predictions, by task: those whose labels were opened.
    pub sha256: BTreeMap<String, String>,
}

impl Manifest {
    /// Whether any data set is synthetic rather than measured.
    pub fn is_synthetic(&self) -> bool {
        self.data.iter().any(|data| data.task.origin == Origin::Synthetic)
    }
}

/// The software and the machine. Two runs with equal environments, configs, data and seeds have equal bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of Medley.
    pub medley: String,
    /// Version of libtorch, such as `2.11.0`.
    pub libtorch: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Vector instructions libtorch uses: `default`, `avx2`, `avx512`, …
    pub cpu_capability: String,
    /// Intra-op threads of libtorch.
    pub threads: usize,
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub memory_layout: MemoryLayout,
    /// What computes convolutions; libtorch in runs of before 0.3.
    #[serde(default)]
    pub convolutions: Convolutions,
    /// Replicas that share each batch, one thread each; 1 is the network alone.
    #[serde(default = "alone")]
    pub replicas: usize,
    /// Operating system and architecture, such as `linux-x86_64`.
    pub platform: String,
}

fn alone() -> usize {
    1
}

/// A candidate that was tried before a run, and how fast it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationTrial {
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub memory_layout: MemoryLayout,
    /// What computes convolutions; libtorch in runs of before 0.3.
    #[serde(default)]
    pub convolutions: Convolutions,
    /// Intra-op threads of libtorch.
    pub threads: usize,
    /// Replicas that share each batch.
    pub replicas: usize,
    /// Images trained on per second.
    pub images_per_second: f64,
    /// Images trained on per second of processor time; runs of before 0.3 have not recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_cpu_second: Option<f64>,
}

/// Mean and standard deviation of the training pixels per channel, with byte 255 as 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatistics {
    /// One per channel.
    pub mean: Vec<f32>,
    /// One per channel, positive.
    pub std: Vec<f32>,
}

/// The folds that a run's training and validation rows were split into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldsRecord {
    /// How many.
    pub count: usize,
    /// The one that is validated on, from 0.
    pub index: usize,
    /// Which way of splitting.
    pub repeat: u64,
    /// SHA-256 of the files that say which rows belong together, by task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
}

/// What a run takes over from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inheritance {
    /// The network that validation chose.
    Weights,
    /// The last network, and what its optimizer and its average keep.
    WeightsAndOptimizer,
    /// Everything: it goes on with more epochs.
    Everything,
}

/// A network that a run learns from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeacherRecord {
    /// Name of its run.
    pub run: String,
    /// Where its folder lay, an absolute path; `None` where that is not Unicode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// The folder of its phase among the checkpoints of the seed; `None` for the joint training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Epochs that it was trained for.
    pub epoch: usize,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What it counts for, by the name of each task that it teaches; above 0.
    pub weights: BTreeMap<String, f64>,
}

/// The run that another one began from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its name.
    pub run: String,
    /// Where its folder lay, an absolute path; `None` where that is not Unicode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What was taken over.
    pub how: Inheritance,
    /// The checkpoints that were taken, by seed of this run.
    pub seeds: BTreeMap<u64, ParentSeed>,
    /// Parameters that the parent's network did not have, and that were initialised: those of other heads.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub initialised: BTreeSet<String>,
}

/// The checkpoint of a parent that a seed began from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentSeed {
    /// Seed of the parent.
    pub seed: u64,
    /// Epochs finished when it was saved.
    pub epoch: usize,
    /// SHA-256 of the network's file.
    pub sha256: String,
}

/// A file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsRecord {
    /// File name, without its folder.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// One data file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// What it is taken for.
    pub task: TaskSpec,
    /// File name, without its folder.
    pub file: String,
    /// MD5 of the file, as MedMNIST publishes it.
    pub md5: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Which published release the file is, if any.
    pub release: Option<String>,
    /// Images per split.
    pub rows: BTreeMap<Split, usize>,
    /// Examples per class in the splits one may look at: train and val, never test, whose labels are sealed. For
    /// multi-label tasks, how often each label is set. May be empty, as in older manifests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub class_counts: BTreeMap<Split, Vec<u64>>,
}

impl DataRecord {
    /// How a file with this SHA-256 differs from the one recorded; `None` if it does not. Everything that a run is to be used with
    /// again is compared by this.
    pub fn difference(&self, sha256: &str) -> Option<String> {
        let short = |hash: &str| hash.chars().take(12).chain(['…']).collect::<String>();
        (self.sha256 != sha256).then(|| format!("its SHA-256 was {}, it is {}", short(&self.sha256), short(sha256)))
    }
}

/// One line of `events.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventLine {
    /// Seconds since the Unix epoch.
    pub time: f64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What the training loop says. It knows neither bar nor file: observers make those.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The run begins, or goes on after an interruption.
    RunStarted {
        /// Name of the run.
        run: String,
        /// Task names.
        tasks: Vec<String>,
        /// All seeds.
        seeds: Vec<u64>,
        /// Epochs per seed.
        epochs: usize,
        /// Optimizer steps per epoch.
        steps_per_epoch: usize,
        /// Whether it goes on from a checkpoint.
        resumed: bool,
    },
    /// The run of one seed begins.
    SeedStarted {
        /// Its seed.
        seed: u64,
        /// Trainable parameters of the network.
        parameters: usize,
    },
    /// An optimizer step is done.
    Step {
        /// Seed.
        seed: u64,
        /// 0-based.
        epoch: usize,
        /// 0-based in its epoch.
        step: usize,
        /// Mean training loss of the batch.
        #[serde(deserialize_with = "number_or_null")]
        loss: f64,
        /// Learning rate that was used.
        learning_rate: f64,
        /// Norm of the gradient before clipping.
        #[serde(deserialize_with = "number_or_null")]
        gradient_norm: f64,
        /// Images in the batch.
        images: usize,
    },
    /// Validation advances: a line for bars, not for files.
    ValidationProgress {
        /// Seed.
        seed: u64,
        /// Which split is predicted.
        split: Split,
        /// Images predicted so far.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// An epoch is done and validated.
    EpochFinished {
        /// Its metrics.
        #[serde(flatten)]
        metrics: EpochMetrics,
        /// Whether it is the best so far.
        best: bool,
        /// Training images per second of wall time, `None` where the process that validated did not train. Informative only.
        images_per_second: Option<f64>,
        /// Share of the training time spent waiting for data, 0-1; `None` as above. Informative only.
        data_wait: Option<f64>,
    },
    /// A callback ended the training of a seed before its last epoch.
    SeedStopped {
        /// Seed.
        seed: u64,
        /// Finished epochs.
        epoch: usize,
        /// Why, such as `no improvement for 5 epochs`.
        reason: String,
    },
    /// The mean of the networks of some epochs is the best network of a seed, or that of one epoch still is.
    SoupMade {
        /// Seed.
        seed: u64,
        /// Those epochs, counted from 1, the best first.
        epochs: Vec<usize>,
        /// Harmonic mean of the validation macro-F1.
        harmonic_mean: f64,
    },
    /// A checkpoint is on disk.
    CheckpointSaved {
        /// Seed.
        seed: u64,
        /// Finished epochs it holds.
        epoch: usize,
        /// `best` or `last`.
        kind: String,
    },
    /// One seed is trained and scored, on the test split too unless the run leaves it shut.
    SeedScored {
        /// Seed.
        seed: u64,
        /// The result.
        result: SeedResult,
    },
    /// Something the user should know.
    Warning {
        /// One sentence.
        message: String,
    },
    /// Stopped on request; `medley resume` goes on from here.
    RunInterrupted {
        /// Seed.
        seed: u64,
        /// Finished epochs.
        epoch: usize,
    },
    /// Everything is written.
    RunFinished {
        /// Mean over seeds of the test harmonic mean; `None` where the test split is not scored.
        harmonic_mean: Option<f64>,
        /// Wall time of this process, seconds.
        seconds: f64,
    },
}

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
    /// Validation metrics of the best checkpoint: optimistic, as it was selected on them.
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
    /// [`SCHEMA_VERSION`].
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
    /// [`SCHEMA_VERSION`].
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

/// JSON has neither NaN nor infinities: they are written as `null`, and read as NaN.
fn number_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diverged_step_is_read_back() {
        let event = Event::Step {
            seed: 0,
            epoch: 0,
            step: 0,
            loss: f64::NAN,
            learning_rate: 0.1,
            gradient_norm: f64::INFINITY,
            images: 1,
        };
        let text = serde_json::to_string(&EventLine { time: 1.0, event }).unwrap();
        let line: EventLine = serde_json::from_str(&text).unwrap();
        assert!(
            matches!(line.event, Event::Step { loss, gradient_norm, .. } if loss.is_nan() && gradient_norm.is_nan())
        );
    }

    #[test]
    fn the_best_seed_is_chosen_on_validation() {
        let seed = |seed, validation, test| {
            let set = |harmonic_mean| ScoreSet { harmonic_mean, ..ScoreSet::default() };
            let (validation, test) = (set(validation), Some(set(test)));
            SeedResult { seed, best_epoch: 1, validation, test, stopped: None, fine_tuned: BTreeMap::new() }
        };
        let of = |seeds| RunResults {
            schema_version: SCHEMA_VERSION,
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
