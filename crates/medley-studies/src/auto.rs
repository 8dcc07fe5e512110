//! `auto.json` in the folder of a study: what `medley auto` did beside the search.

use std::path::Path;

use medley_core::record::ScoreSet;
use medley_storage::{Storage, if_present, read_file, write_whole};
use serde::{Deserialize, Serialize};

use crate::StudiesError;

/// Name of the record.
pub const FILE: &str = "auto.json";
/// Most bytes of it.
const MAX_BYTES: u64 = 4 << 20;

/// A part of the time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseRecord {
    /// What was done.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// A network that was trained at the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// Its name.
    pub name: String,
    /// Its run folder, in that of `auto`.
    pub folder: String,
    /// The trial whose settings it has; `None` for the base experiment.
    pub trial: Option<u64>,
    /// Its seed.
    pub seed: u64,
    /// Fold and way of splitting, or seed: networks of different settings with the same number are compared with each other.
    pub unit: usize,
    /// Its validation score by `select.name`.
    pub score: f64,
}

/// The decision rule of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleRecord {
    /// The task.
    pub task: String,
    /// The rule that was accepted; `plain` where none was.
    pub rule: String,
    /// Macro-F1 of the plain rule on the validation split.
    pub plain_macro_f1: f64,
    /// Cross-fitted macro-F1 of the rule.
    pub macro_f1: f64,
}

/// `auto.json`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AutoRecord {
    /// Its folder's name, by which people know it.
    #[serde(default)]
    pub name: String,
    /// Seconds that were allowed.
    pub budget: f64,
    /// Seconds that were spent when this was written.
    pub spent: f64,
    /// How.
    pub phases: Vec<PhaseRecord>,
    /// Epochs of a network by the default recipe; the clock ends others.
    pub epochs: usize,
    /// Folds that networks were trained on; `None` where all were validated on the same rows.
    pub folds: Option<usize>,
    /// Networks that the default recipe could have trained in the time of the search.
    pub instead: usize,
    /// Trials that were compared.
    pub trials: usize,
    /// Whether the search was worth its time.
    pub finding: String,
    /// What the audit of the data found.
    pub audit: Vec<String>,
    /// The networks, in the order in which they were begun.
    pub members: Vec<MemberRecord>,
    /// The folder of the ensemble, in that of `auto`.
    pub ensemble: Option<String>,
    /// How its members are weighted, as it was accepted.
    pub method: Option<String>,
    /// Networks that have no part in it: those of settings that are far below the others, or that selection did not choose.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Its harmonic mean of macro-F1 on the validation split.
    pub ensemble_score: Option<f64>,
    /// Rules that were accepted for it.
    pub rules: Vec<RuleRecord>,
    /// Of the test split, once it was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<ScoreSet>,
}

impl AutoRecord {
    /// What is said of networks that have no part in the ensemble; `None` where all have.
    pub fn left_out(&self) -> Option<String> {
        let why = match self.method.as_deref() {
            Some("guarded") => "more than two standard errors below the others, which are not worse without them",
            _ => "not chosen",
        };
        (!self.left_out.is_empty()).then(|| format!("{} ({why})", self.left_out.join(", ")))
    }

    /// Mean score of single networks by the best settings, and by the base experiment.
    pub fn means(&self) -> (Option<f64>, Option<f64>) {
        let winner = self.members.iter().find_map(|member| member.trial);
        let mean = |trial: Option<u64>| {
            let scores: Vec<f64> =
                self.members.iter().filter(|member| member.trial == trial).map(|member| member.score).collect();
            (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
        };
        (winner.and_then(|winner| mean(Some(winner))), mean(None))
    }

    /// The record of a study, if there is one.
    ///
    /// # Errors
    /// [`StudiesError::Damaged`].
    pub fn read(study: &Path) -> Result<Option<Self>, StudiesError> {
        let path = study.join(FILE);
        let Some(bytes) = if_present(read_file(&path, MAX_BYTES))? else { return Ok(None) };
        let damaged =
            |error: serde_json::Error| StudiesError::Damaged { path: path.clone(), problem: error.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(damaged)
    }

    /// Writes the record of a study.
    ///
    /// # Errors
    /// [`StudiesError::Storage`].
    pub fn write(&self, study: &Path, storage: &dyn Storage) -> Result<(), StudiesError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(write_whole(storage, &study.join(FILE), &bytes)?)
    }
}
