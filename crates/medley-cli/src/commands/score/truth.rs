//! True labels out of the data folder.

use std::error::Error;
use std::path::{Path, PathBuf};

use medley_core::record::{DataRecord, Manifest};
use medley_core::{Origin, RunLayout, SealedLabels, Split, TaskSpec};
use medley_data::{DataError, Registry, hash_file, read_labels};
use medley_predictions::folds::rows_of;
use medley_predictions::record::manifest_around;
use medley_predictions::{PublishedTask, Truth, TruthSource};

use crate::args::RunDataFolder;
use crate::data_folder;

/// The `.npz` files of a data folder.
pub(crate) struct DataTruth {
    folder: PathBuf,
    /// The files of the run that the predictions are of.
    of_run: Vec<DataRecord>,
    /// Where it says which rows it is validated on, if those are a fold.
    fold_rows: Option<RunLayout>,
}

impl TruthSource for DataTruth {
    fn task(&self, name: &str, size: usize) -> Result<PublishedTask, Box<dyn Error + Send + Sync>> {
        let registry = Registry::builtin();
        let entry = registry.get(name).ok_or_else(|| DataError::UnknownSet {
            name: name.to_owned(),
            suggestion: registry.suggest(name).map(str::to_owned),
        })?;
        let releases = entry.releases.iter().map(|release| (release.name.clone(), release.rows));
        Ok(PublishedTask { spec: entry.spec(size, Origin::Official), releases: releases.collect() })
    }

    fn labels(
        &self,
        task: &TaskSpec,
        size: usize,
        split: Split,
        file: Option<&Path>,
    ) -> Result<Truth, Box<dyn Error + Send + Sync>> {
        let path = file.map_or_else(|| self.file_of(task, size), |file| Ok(file.to_owned()))?;
        let read = |split| read_labels(&path, task, split).map_err(|error| error.of_run(&self.of_run));
        match &self.fold_rows {
            Some(run) if split == Split::Val => {
                let (train, val) = (read(Split::Train)?, read(Split::Val)?);
                let labels = SealedLabels::gather(&[train.labels, val.labels], &rows_of(run, &task.name)?)?;
                Ok(Truth { spec: val.spec, labels })
            }
            _ => read(split).map(|found| Truth { spec: found.spec, labels: found.labels }).map_err(Into::into),
        }
    }

    fn sha256(&self, file: &Path) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(hash_file(&self.folder.join(file))?.1)
    }
}

impl DataTruth {
    /// The data folder that was named, else that of the run that these predictions are of.
    pub(crate) fn of(predictions: &Path, folder: &RunDataFolder) -> Self {
        // What is wrong with a manifest is said by whoever needs it.
        let (run, manifest) = manifest_around(predictions).ok().flatten().unzip();
        let folds = manifest.as_ref().is_some_and(|manifest: &Manifest| manifest.folds.is_some());
        let folder = data_folder::of_run(predictions, manifest.as_ref(), folder);
        Self {
            folder,
            of_run: manifest.map(|manifest| manifest.data).unwrap_or_default(),
            fold_rows: run.filter(|_| folds),
        }
    }

    fn file_of(&self, task: &TaskSpec, size: usize) -> Result<PathBuf, DataError> {
        match Registry::builtin().get(&task.name) {
            Some(entry) => entry.path_in(&self.folder, size),
            None => Ok(self.folder.join(format!("{}.npz", task.name))),
        }
    }
}
