//! How a run fares on corrupted images.

use serde::{Deserialize, Serialize};

use crate::Split;

/// Severities of each corruption, 1 to 5.
pub const SEVERITIES: usize = 5;

/// `robustness.json`: balanced errors of a run's final predictor on images that were corrupted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobustnessRecord {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the run.
    pub run: String,
    /// Whose images were corrupted.
    pub split: Split,
    /// Seeds whose probabilities were averaged.
    pub seeds: Vec<u64>,
    /// In task order; a task whose modality has no corruptions has none.
    pub tasks: Vec<TaskRobustness>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskRobustness {
    /// Task name.
    pub task: String,
    /// SHA-256 of its data file.
    pub sha256: String,
    /// Images.
    pub rows: usize,
    /// Balanced error on the images as they are, 0 to 1: one less the mean recall of the classes that occur.
    pub clean: f64,
    /// In the order of the modality's list.
    pub corruptions: Vec<CorruptionErrors>,
}

/// One corruption.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CorruptionErrors {
    /// As MedMNIST-C calls it.
    pub name: String,
    /// Balanced error by severity, from 1 on.
    pub balanced_error: [f64; SEVERITIES],
}

impl CorruptionErrors {
    /// The mean over severities.
    pub fn mean(&self) -> f64 {
        self.balanced_error.iter().sum::<f64>() / SEVERITIES as f64
    }
}

impl RobustnessRecord {
    /// What cannot be true of such a record: an error outside 0 to 1, or a name that occurs twice.
    pub fn problem(&self) -> Option<String> {
        for (index, task) in self.tasks.iter().enumerate() {
            if self.tasks[..index].iter().any(|other| other.task == task.task) {
                return Some(format!("task `{}` occurs twice", task.task));
            }
            let errors = task.corruptions.iter().flat_map(|corruption| corruption.balanced_error);
            if let Some(error) = errors.chain([task.clean]).find(|error| !(0.0..=1.0).contains(error)) {
                return Some(format!("task `{}` has a balanced error of {error}, outside 0 to 1", task.task));
            }
            let names: Vec<&str> = task.corruptions.iter().map(|corruption| corruption.name.as_str()).collect();
            if let Some(at) = (0..names.len()).find(|&at| names[..at].contains(&names[at])) {
                return Some(format!("corruption `{}` of task `{}` occurs twice", names[at], task.task));
            }
        }
        None
    }
}
