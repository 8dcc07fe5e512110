//! Where the truth comes from, and how it is opened.

use std::error::Error;
use std::path::Path;

use medley_core::{Labels, ScoringToken, SealedLabels, Split, TaskSpec};
use medley_metrics::MetricError;
use sha2::{Digest as _, Sha256};

use super::Matching;
use crate::input::Input;
use crate::{PredictionError, label_file};

/// Largest file of labels that is read: a million images take a tenth of it.
const LARGEST: u64 = 64 << 20;

/// Where true labels come from: a data folder, or a test's own.
pub trait TruthSource {
    /// The published task of a name, with images of an edge length.
    ///
    /// # Errors
    /// When there is none; the error names the nearest one.
    fn task(&self, name: &str, size: usize) -> Result<PublishedTask, Box<dyn Error + Send + Sync>>;

    /// The labels of a split, sealed: those of `file` (an `.npz`), or of the task's own file of images of that edge length.
    ///
    /// # Errors
    /// When they cannot be read, or are not of the task.
    fn labels(
        &self,
        task: &TaskSpec,
        size: usize,
        split: Split,
        file: Option<&Path>,
    ) -> Result<Truth, Box<dyn Error + Send + Sync>>;

    /// SHA-256 of one of its files, in hexadecimal.
    ///
    /// # Errors
    /// When it cannot be read.
    fn sha256(&self, file: &Path) -> Result<String, Box<dyn Error + Send + Sync>>;
}

/// A task that others publish results on.
#[derive(Debug, Clone)]
pub struct PublishedTask {
    /// The task.
    pub spec: TaskSpec,
    /// Name of each release of its file, with the rows of its train, validation and test split.
    pub releases: Vec<(String, [usize; 3])>,
}

/// The truth of one split.
#[derive(Debug)]
pub struct Truth {
    /// The task, as synthetic if its file says so.
    pub spec: TaskSpec,
    /// Its labels.
    pub labels: SealedLabels,
}

impl Matching<'_> {
    /// The truth of a task, sealed.
    pub(super) fn truth(&self, spec: &TaskSpec, size: usize, split: Split) -> Result<Truth, PredictionError> {
        let file = self.request.labels.as_deref();
        let extension = |path: &Path| path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match file {
            Some(path) if extension(path) != "npz" => {
                let bytes = Input::open(path)?.read(LARGEST, "labels")?;
                let numpy = extension(path) == "npy";
                let found = if numpy { label_file::from_npy(&bytes, spec) } else { label_file::from_csv(&bytes, spec) };
                let labels = found.map_err(|error| error.in_file("use the labels in", path))?;
                Ok(Truth { spec: spec.clone(), labels: SealedLabels::seal(&spec.name, labels) })
            }
            _ => self
                .source
                .labels(spec, size, split, file)
                .map_err(|source| PredictionError::Truth { task: spec.name.clone(), source }),
        }
    }

    /// The rows that predictions of a split may have: those of its labels, or of another release, whose name is then worth saying.
    pub(super) fn most_rows(&self, truth: &Truth, split: Split) -> usize {
        let releases =
            self.source.task(&truth.spec.name, self.request.size).map(|task| task.releases).unwrap_or_default();
        let of_split = releases.iter().map(|(_, rows)| rows[place(split)]);
        of_split.max().unwrap_or(0).max(truth.labels.rows())
    }

    /// The labels, opened for predictions of so many rows that were read to the end from a file with this content.
    pub(super) fn open(
        &self,
        truth: &Truth,
        split: Split,
        rows: usize,
        content: &[u8],
    ) -> Result<Labels, PredictionError> {
        let task = &truth.spec.name;
        if rows != truth.labels.rows() {
            let error = MetricError::Rows { task: task.clone(), labels: truth.labels.rows(), scores: rows };
            return Err(self.name_releases("predictions are", truth, split, rows, error.into()));
        }
        let token = ScoringToken::for_written(task, rows, Sha256::digest(content).into());
        Ok(truth.labels.open(&token)?.clone())
    }

    /// The error, with the releases that predictions and labels are of where their numbers of rows say so.
    pub(super) fn name_releases(
        &self,
        what: &'static str,
        truth: &Truth,
        split: Split,
        rows: usize,
        error: PredictionError,
    ) -> PredictionError {
        let task = truth.spec.name.clone();
        let releases = self.source.task(&task, self.request.size).map_or_else(|_| Vec::new(), |task| task.releases);
        let release = |rows: usize| releases.iter().find(|release| release.1[place(split)] == rows);
        match (release(rows), release(truth.labels.rows())) {
            (Some((theirs, _)), Some((ours, _))) if rows != truth.labels.rows() => PredictionError::OtherRelease {
                what,
                task,
                theirs: theirs.clone(),
                ours: ours.clone(),
                source: Box::new(error),
            },
            _ => error,
        }
    }
}

/// The place of a split among the rows of a release.
fn place(split: Split) -> usize {
    Split::ALL.iter().position(|known| *known == split).unwrap_or_default()
}
