//! True labels out of the data folder.

use std::error::Error;
use std::path::{Path, PathBuf};

use medley_core::{Origin, Split, TaskSpec};
use medley_data::{DataError, Registry, hash_file, read_labels};
use medley_predictions::{PublishedTask, Truth, TruthSource};

/// The `.npz` files of a data folder.
pub(crate) struct DataTruth {
    pub(crate) folder: PathBuf,
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
        let found = read_labels(&path, task, split)?;
        Ok(Truth { spec: found.spec, labels: found.labels })
    }

    fn sha256(&self, file: &Path) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(hash_file(&self.folder.join(file))?.1)
    }
}

impl DataTruth {
    fn file_of(&self, task: &TaskSpec, size: usize) -> Result<PathBuf, DataError> {
        match Registry::builtin().get(&task.name) {
            Some(entry) => entry.path_in(&self.folder, size),
            None => Ok(self.folder.join(format!("{}.npz", task.name))),
        }
    }
}
