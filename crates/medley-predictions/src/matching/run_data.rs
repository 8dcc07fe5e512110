//! What a run folder says of the data that its predictions are of.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::record::DataRecord;
use medley_core::{Origin, RunLayout, Split, TaskSpec};
use medley_metrics::MetricError;

use super::{Matching, Truth};
use crate::PredictionError;
use crate::input::Input;
use crate::record::manifest_around;
use crate::result_file::ResultName;

/// The data of the run that a path belongs to; none for other paths.
#[derive(Default)]
pub(super) struct RunData {
    run: Option<RunLayout>,
    folder: Option<String>,
    records: Vec<(DataRecord, OnceCell<String>)>,
    positions: BTreeMap<String, usize>,
}

impl RunData {
    /// Of a run folder, or of the run folder that a file lies in.
    pub(super) fn of(path: &Path) -> Result<Self, PredictionError> {
        let Some((run, manifest)) = manifest_around(path)? else { return Ok(Self::default()) };
        let positions = manifest.data.iter().enumerate().map(|(index, data)| (data.task.name.clone(), index)).collect();
        let records = manifest.data.into_iter().map(|record| (record, OnceCell::new())).collect();
        Ok(Self { run: Some(run), folder: manifest.data_folder, records, positions })
    }

    /// The run folder, if the path is one or lies in one.
    pub(super) fn layout(&self) -> Option<&RunLayout> {
        self.run.as_ref()
    }

    /// Where the result files of the run lie, if the path is one.
    pub(super) fn predictions(&self) -> Option<PathBuf> {
        self.run.as_ref().map(RunLayout::predictions)
    }

    /// The place of a file's task in the run; see [`ResultName::is_of`].
    pub(super) fn position(&self, name: &ResultName) -> Option<usize> {
        let with_size = || self.positions.get(&format!("{}_{}", name.flag, name.size));
        self.positions.get(&name.flag).or_else(with_size).copied()
    }

    pub(super) fn record(&self, position: usize) -> Option<&DataRecord> {
        self.records.get(position).map(|(record, _)| record)
    }
}

impl Matching<'_> {
    /// Opens a file of predictions; what lies in a run folder is reached through no link.
    pub(super) fn input(&self, path: &Path) -> Result<Input, PredictionError> {
        match &self.run.run {
            Some(run) if path.starts_with(run.root()) => Input::open_in(run.root(), path),
            _ => Input::open(path),
        }
    }

    /// The truth of a task. Predictions of a run are scored against the very file that it was made with: another one is refused, or
    /// remarked on where the request allows it, and synthetic labels are never taken for measured ones. No label is open yet.
    pub(super) fn checked_truth(
        &self,
        spec: &TaskSpec,
        size: usize,
        split: Split,
    ) -> Result<(Truth, Option<String>), PredictionError> {
        let truth = self.truth(spec, size, split)?;
        let remark = if self.request.labels.is_some() { None } else { self.check_data(&truth.spec)? };
        Ok((truth, remark))
    }

    /// What differs between the data that the truth is of and those of the run, where that is allowed.
    fn check_data(&self, spec: &TaskSpec) -> Result<Option<String>, PredictionError> {
        let position = self.run.positions.get(&spec.name);
        let Some((record, found)) = position.and_then(|&position| self.run.records.get(position)) else {
            return Ok(None);
        };
        let task = &record.task.name;
        if spec.origin != record.task.origin {
            let reason = format!(
                "the run was made with {:?} data, but `{}` of the data folder is {:?}",
                record.task.origin, record.file, spec.origin
            );
            return Err(MetricError::NotPaired { task: task.clone(), reason: reason.to_lowercase() }.into());
        }
        if found.get().is_none() {
            let sha256 = self.source.sha256(Path::new(&record.file));
            let sha256 = sha256.map_err(|source| PredictionError::Truth { task: task.clone(), source })?;
            let _ = found.set(sha256);
        }
        let Some(problem) = found.get().and_then(|sha256| record.difference(sha256)) else { return Ok(None) };
        if self.request.allow_other_data {
            return Ok(Some(format!("scored against another `{}` than that of the run: {problem}", record.file)));
        }
        Err(PredictionError::OtherData {
            run: self.run.run.as_ref().map_or_else(PathBuf::new, |run| run.root().to_owned()),
            file: record.file.clone(),
            problem,
            made_in: self.run.folder.clone(),
        })
    }

    /// What the run says of a task. Whether labels are synthetic is for their own file to say.
    pub(super) fn task_of_run(&self, name: &ResultName) -> Option<TaskSpec> {
        let mut spec = self.run.record(self.run.position(name)?)?.task.clone();
        if spec.origin == Origin::Synthetic && self.request.labels.is_none() {
            spec.origin = Origin::Official;
        }
        Some(spec)
    }
}
