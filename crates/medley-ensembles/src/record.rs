//! What `ensemble.json` holds.

use std::collections::BTreeMap;

use medley_core::record::{DataRecord, PredictionRecord, ScoreSet, TestOpening};
use medley_decisions::FitOptions;
use medley_decisions::ensemble::{Method, Weighed};
use serde::{Deserialize, Serialize};

/// `ensemble.json`: what an ensemble is made of, how its weights were found, and its scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `medley_core::record::SCHEMA_VERSION`.
    pub schema_version: u32,
    /// Name of the folder when it was made.
    pub name: String,
    /// When, RFC 3339 in UTC. Nothing depends on it.
    pub created: String,
    /// Version of Medley.
    pub medley: String,
    /// The method that was asked for; each task says what became of it.
    pub method: Method,
    /// How weights were fitted and judged.
    pub options: FitOptions,
    /// Its data, in task order. Of folds, all rows of training and validation stand under `val`.
    pub data: Vec<DataRecord>,
    /// Folds whose out-of-fold predictions were put together; `None` where members were validated on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<Folds>,
    /// Whether any data is synthetic: such results say nothing about medicine or the benchmark.
    pub synthetic: bool,
    /// Runs that were put together.
    pub runs: Vec<String>,
    /// Members that were compared on the validation split, over all tasks.
    pub members_compared: usize,
    /// In task order.
    pub tasks: Vec<TaskEnsemble>,
    /// Validation metrics, with intervals: of each row, the prediction by weights that were not fitted on it. So are the files.
    pub validation: ScoreSet,
    /// Test metrics of the averaged predictions; `None` while the test split is shut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<ScoreSet>,
    /// Files under `predictions/`.
    pub predictions: Vec<PredictionRecord>,
    /// Every time that test labels were opened for it, as in the manifest of a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_openings: Vec<TestOpening>,
}

/// The folds whose predictions were put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folds {
    /// Folds of each way of splitting.
    pub count: usize,
    /// Ways of splitting.
    pub repeats: usize,
}

/// One task of an ensemble.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskEnsemble {
    /// Task name.
    pub task: String,
    /// Its members, in the order of the weights.
    pub members: Vec<Member>,
    /// The weights, and how they were found.
    pub weighed: Weighed,
}

/// A seed of a run, or of all folds of a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Name of the run folder; of folds, what the names of their folders begin with.
    pub run: String,
    /// The seed.
    pub seed: u64,
    /// Its prediction files by split: those that were read, one for each fold.
    pub files: BTreeMap<medley_core::Split, Vec<PredictionFile>>,
}

/// A file of predictions of a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PredictionFile {
    /// Name of the run folder.
    pub run: String,
    /// File name, without its folder.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}
