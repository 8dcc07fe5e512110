//! How a run fares on test images that are related to no other split's.

use serde::{Deserialize, Serialize};

use super::{Interval, Resampling};

/// `related.json`: test figures of a run with all images, and without those that are near duplicates of images of other splits, or of the same
/// lesion or patient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelatedRecord {
    /// [`super::SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Name of the run.
    pub run: String,
    /// How intervals were made.
    pub resampling: Resampling,
    /// In the order asked for.
    pub tasks: Vec<RelatedTask>,
}

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelatedTask {
    /// Task name.
    pub task: String,
    /// File name of the table that says which images belong together.
    pub groups: String,
    /// SHA-256 of that table.
    pub groups_sha256: String,
    /// Test images.
    pub images: usize,
    /// Of these, related to none of another split.
    pub apart: usize,
    /// By predictor and metric.
    pub scores: Vec<RelatedScore>,
}

/// One metric of one predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RelatedScore {
    /// Whose it is, such as `mean of 5 seeds`.
    pub predictor: String,
    /// As people write the metric.
    pub metric: String,
    /// On all images.
    pub all: Estimate,
    /// Without related ones.
    pub apart: Estimate,
}

/// A value with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// `None` where it is not defined.
    pub value: Option<f64>,
    /// `None` where there is none.
    pub interval: Option<Interval>,
}

impl RelatedRecord {
    /// Largest file that is read, in bytes: a thousand tasks have less.
    pub const LARGEST_FILE: u64 = 16 << 20;

    /// What cannot be true of such a record: more images left than there are, or a task that occurs twice.
    pub fn problem(&self) -> Option<String> {
        for (index, task) in self.tasks.iter().enumerate() {
            if self.tasks[..index].iter().any(|other| other.task == task.task) {
                return Some(format!("task `{}` occurs twice", task.task));
            }
            if task.apart > task.images {
                return Some(format!("task `{}` has {} of {} images left", task.task, task.apart, task.images));
            }
        }
        None
    }
}
