//! Where things lie in a run folder. Pure path arithmetic: no I/O.

use std::path::{Path, PathBuf};

use crate::Split;

/// Names of everything under `runs/<name>-<k>/`.
///
/// ```
/// use medley_core::RunLayout;
/// let run = RunLayout::new("runs/small-three-1");
/// assert_eq!(run.name(), "small-three-1");
/// assert_eq!(run.results(), std::path::Path::new("runs/small-three-1/results.json"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunLayout {
    root: PathBuf,
}

impl RunLayout {
    /// Name of the resolved config.
    pub const CONFIG: &str = "config.toml";
    /// Name of the manifest.
    pub const MANIFEST: &str = "manifest.json";

    /// The layout under `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Its last component, the run's name.
    pub fn name(&self) -> String {
        self.root.file_name().unwrap_or(self.root.as_os_str()).to_string_lossy().into_owned()
    }

    /// The resolved config.
    pub fn config(&self) -> PathBuf {
        self.root.join(Self::CONFIG)
    }

    /// A [`Manifest`](crate::record::Manifest).
    pub fn manifest(&self) -> PathBuf {
        self.root.join(Self::MANIFEST)
    }

    /// Of a run that is validated on a fold: its rows by task, counted from the first training row through the validation rows.
    pub fn fold_rows(&self) -> PathBuf {
        self.root.join("fold_rows.json")
    }

    /// Batches whose loss or gradient was not finite.
    pub fn bad_batches(&self) -> PathBuf {
        self.root.join("bad_batches")
    }

    /// One [`EventLine`](crate::record::EventLine) per line.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.jsonl")
    }

    /// One [`MetricRow`](crate::record::MetricRow) per line, with a header.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.csv")
    }

    /// TensorBoard event files of one seed.
    pub fn tensorboard(&self, seed: u64) -> PathBuf {
        self.root.join("tb").join(format!("seed-{seed}"))
    }

    /// Checkpoints of one seed.
    pub fn checkpoints(&self, seed: u64) -> PathBuf {
        self.root.join("checkpoints").join(format!("seed-{seed}"))
    }

    /// Where standard result files go.
    pub fn predictions(&self) -> PathBuf {
        self.root.join("predictions")
    }

    /// The standard MedMNIST name of a result file, `{flag}_{split}_[AUC]0.901_[ACC]0.863@{run}.csv`.
    pub fn prediction_file(&self, flag: &str, split: Split, auc: Option<f64>, accuracy: f64, run: &str) -> PathBuf {
        let auc = auc.map_or_else(|| "nan".to_owned(), |auc| format!("{auc:.3}"));
        self.predictions().join(format!("{flag}_{split}_[AUC]{auc}_[ACC]{accuracy:.3}@{run}.csv"))
    }

    /// Where predictions of the test split lie between being written and being scored.
    pub fn pending_predictions(&self) -> PathBuf {
        self.predictions().join("pending")
    }

    /// Where the results of seeds lie until all are finished.
    pub fn results_folder(&self) -> PathBuf {
        self.root.join("results")
    }

    /// A [`SeedRecord`](crate::record::SeedRecord).
    pub fn seed_results(&self, seed: u64) -> PathBuf {
        self.results_folder().join(format!("seed-{seed}.json"))
    }

    /// [`RunResults`](crate::record::RunResults).
    pub fn results(&self) -> PathBuf {
        self.root.join("results.json")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.root.join("report.html")
    }

    /// The competition's file. Made from synthetic data it says so in its name, as the format has no room for a remark.
    pub fn submission(&self, synthetic: bool) -> PathBuf {
        self.root.join(if synthetic { "submission.SYNTHETIC.csv" } else { "submission.csv" })
    }

    /// Decision rules that were fitted on its validation predictions.
    pub fn decisions(&self) -> PathBuf {
        self.root.join("decisions.json")
    }

    /// [`RobustnessRecord`](crate::record::RobustnessRecord): balanced errors on corrupted images.
    pub fn robustness(&self) -> PathBuf {
        self.root.join("robustness.json")
    }

    /// [`RelatedRecord`](crate::record::RelatedRecord): figures without test images that are related to those of other splits.
    pub fn related(&self) -> PathBuf {
        self.root.join("related.json")
    }

    /// Tags and a note, which people give to the run.
    pub fn tags(&self) -> PathBuf {
        self.root.join("tags.json")
    }

    /// A [`Gallery`](crate::record::Gallery): images worth looking at, with their maps.
    pub fn gallery(&self) -> PathBuf {
        self.root.join("gallery.json")
    }

    /// Held while a process writes to the run.
    pub fn lock(&self) -> PathBuf {
        self.root.join("run.lock")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_files_have_the_official_name() {
        let path = RunLayout::new("r").prediction_file("breastmnist", Split::Test, Some(0.9014), 0.8632, "r-seed0");
        assert_eq!(path, Path::new("r/predictions/breastmnist_test_[AUC]0.901_[ACC]0.863@r-seed0.csv"));
    }
}
