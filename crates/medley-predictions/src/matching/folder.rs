//! Run folders, and other folders of result files.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use medley_core::Split;
use medley_metrics::scorecard::Prediction;
use medley_storage::Shown;

use super::Matching;
use crate::PredictionError;
use crate::result_file::ResultName;

impl Matching<'_> {
    /// The result files of the split that was asked for.
    pub(super) fn folder(&self, path: &Path) -> Result<Vec<Prediction>, PredictionError> {
        let files = self.run.predictions().unwrap_or_else(|| path.to_owned());
        let mut predictions = Vec::new();
        for (name, path) in self.result_files(&files)? {
            let prediction = self.input(&path).and_then(|input| self.result_file(input, name));
            predictions.push(prediction.map_err(|error| error.in_file("score", path))?);
        }
        Ok(predictions)
    }

    /// Of a run: what is to be done before it has predictions of the split.
    fn not_predicted(&self) -> Option<PredictionError> {
        let run = self.run.layout()?;
        let unfinished = !run.results().exists();
        (unfinished || self.request.split == Split::Test).then(|| PredictionError::NotPredicted {
            run: run.root().to_owned(),
            split: self.request.split,
            unfinished,
        })
    }

    /// By predictor, then in the order of the run, then by name: never in that of the file system.
    fn result_files(&self, folder: &Path) -> Result<Vec<(ResultName, PathBuf)>, PredictionError> {
        let io = |source| PredictionError::Io { path: folder.to_owned(), source };
        let mut found: Vec<(ResultName, PathBuf)> = Vec::new();
        let entries = match fs_err::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(self.not_predicted().unwrap_or(io(error))),
            entries => entries.map_err(io)?,
        };
        for entry in entries {
            let entry = entry.map_err(io)?.path();
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.extension().is_some_and(|extension| extension == "csv") {
                found.extend(self.result_name(&name).map(|name| (name, entry)));
            }
        }
        found.retain(|(name, _)| name.split == self.request.split);
        if found.is_empty() {
            if let Some(error) = self.not_predicted() {
                return Err(error);
            }
            let (folder, split) = (Shown(folder), self.request.split);
            let message = format!(
                "`{folder}` has no result files of the {split} split; such a file is named by set, split, AUC, accuracy and run: \
                 breastmnist_{split}_[AUC]0.901_[ACC]0.863@run1.csv (with larger images, breastmnist_64_…)"
            );
            return Err(PredictionError::Request { message });
        }
        found.sort_by_cached_key(|(name, _)| {
            (name.run.clone(), self.run.position(name).unwrap_or(usize::MAX), name.flag.clone(), name.size)
        });
        Ok(found)
    }
}
