//! Run folders, and other folders of result files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::record::DataRecord;
use medley_core::{Origin, RunLayout};
use medley_metrics::MetricError;
use medley_metrics::scorecard::Prediction;

use super::{Matching, read};
use crate::PredictionError;
use crate::record::read_manifest;
use crate::result_file::{ResultName, parse_name};

/// The data of a run, by the name of its tasks.
#[derive(Default)]
struct RunData {
    records: Vec<DataRecord>,
    positions: BTreeMap<String, usize>,
}

impl RunData {
    fn new(records: Vec<DataRecord>) -> Self {
        let positions = records.iter().enumerate().map(|(index, record)| (record.task.name.clone(), index)).collect();
        Self { records, positions }
    }

    /// See [`ResultName::is_of`].
    fn position(&self, name: &ResultName) -> Option<usize> {
        let with_size = || self.positions.get(&format!("{}_{}", name.flag, name.size));
        self.positions.get(&name.flag).or_else(with_size).copied()
    }
}

impl Matching<'_> {
    /// The result files of the split that was asked for.
    pub(super) fn folder(&self, path: &Path) -> Result<Vec<Prediction>, PredictionError> {
        let layout = RunLayout::new(path);
        let (files, data) = if layout.manifest().is_file() {
            if !layout.predictions().exists() {
                let run = path.display();
                let message = format!("`{run}` has no predictions yet; `medley resume {run}` continues it");
                return Err(PredictionError::Request { message });
            }
            (layout.predictions(), RunData::new(read_manifest(&layout)?.data))
        } else {
            (path.to_owned(), RunData::default())
        };
        let mut hashes = BTreeMap::new();
        let mut predictions = Vec::new();
        for (name, path) in self.result_files(&files, &data)? {
            let prediction = self.of_run(&path, name, &data, &mut hashes);
            predictions.push(prediction.map_err(|error| error.in_file("score", path))?);
        }
        Ok(predictions)
    }

    /// By predictor, then in the order of the run, then by name: never in that of the file system.
    fn result_files(&self, folder: &Path, data: &RunData) -> Result<Vec<(ResultName, PathBuf)>, PredictionError> {
        let io = |source| PredictionError::Io { path: folder.to_owned(), source };
        let mut found: Vec<(ResultName, PathBuf)> = Vec::new();
        for entry in fs_err::read_dir(folder).map_err(io)? {
            let entry = entry.map_err(io)?.path();
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            found.extend(parse_name(&name).map(|name| (name, entry)));
        }
        found.retain(|(name, _)| name.split == self.request.split);
        if found.is_empty() {
            let (folder, split) = (folder.display(), self.request.split);
            let message = format!(
                "`{folder}` has no result files of the {split} split; such a file is named by set, split, AUC, accuracy and run: \
                 breastmnist_{split}_[AUC]0.901_[ACC]0.863@run1.csv (with larger images, breastmnist_64_…)"
            );
            return Err(PredictionError::Request { message });
        }
        found.sort_by_cached_key(|(name, _)| {
            (name.run.clone(), data.position(name).unwrap_or(usize::MAX), name.flag.clone(), name.size)
        });
        Ok(found)
    }

    fn of_run(
        &self,
        path: &Path,
        name: ResultName,
        data: &RunData,
        hashes: &mut BTreeMap<PathBuf, String>,
    ) -> Result<Prediction, PredictionError> {
        let record = data.position(&name).and_then(|position| data.records.get(position));
        let mut spec = record.map(|record| record.task.clone());
        if let Some(spec) =
            spec.as_mut().filter(|spec| spec.origin == Origin::Synthetic && self.request.labels.is_none())
        {
            // Whether labels are synthetic is for their own file to say.
            spec.origin = Origin::Official;
        }
        let mut prediction = self.result_file(path, &read(path)?, name, spec)?;
        if let Some(record) = record.filter(|_| self.request.labels.is_none()) {
            self.check_data(record, &mut prediction, hashes)?;
        }
        Ok(prediction)
    }

    /// Predictions of a run are compared with the file that it was made with: another one is remarked on, and synthetic labels are
    /// never taken for measured ones.
    fn check_data(
        &self,
        record: &DataRecord,
        prediction: &mut Prediction,
        hashes: &mut BTreeMap<PathBuf, String>,
    ) -> Result<(), PredictionError> {
        let found = prediction.sample.spec().origin;
        if found != record.task.origin {
            let reason = format!(
                "the run was made with {:?} data, but `{}` of the data folder is {found:?}",
                record.task.origin, record.file
            );
            return Err(MetricError::NotPaired { task: record.task.name.clone(), reason: reason.to_lowercase() }.into());
        }
        let file = PathBuf::from(&record.file);
        if !hashes.contains_key(&file) {
            let truth = |source| PredictionError::Truth { task: record.task.name.clone(), source };
            hashes.insert(file.clone(), self.source.md5(&file).map_err(truth)?);
        }
        if hashes.get(&file) != Some(&record.md5) {
            prediction.remarks.push(format!(
                "the run was made with another `{}` (MD5 {}) than that in the data folder",
                record.file, record.md5
            ));
        }
        Ok(())
    }
}
