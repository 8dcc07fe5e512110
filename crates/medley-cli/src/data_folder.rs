//! Which data folder belongs to a run, or to a study.

use std::path::{Path, PathBuf};

use medley_core::record::Manifest;
use medley_search::{SearchError, Study};
use medley_storage::Shown;

use crate::args::RunDataFolder;
use crate::output;

/// The folder that is read when none is named and no run remembers one.
const DEFAULT: &str = "data";

/// The folder that was named, by `--data` or else by `MEDLEY_DATA`; else that of the run that a path is or lies in, as long as it is
/// there; else `data`.
pub fn of_run(path: &Path, manifest: Option<&Manifest>, folder: &RunDataFolder) -> PathBuf {
    if let Some(named) = &folder.named {
        return named.clone();
    }
    remembered(path, manifest.and_then(|manifest| manifest.data_folder.as_deref()).map(Path::new))
}

/// The folder that was named; else that with which a study began, as long as it is there; else `data`.
///
/// # Errors
/// A text of the study that was changed.
pub fn of_study(study: &Study, folder: &RunDataFolder) -> Result<PathBuf, SearchError> {
    if let Some(named) = &folder.named {
        return Ok(named.clone());
    }
    Ok(remembered(study.folder(), medley_studies::data_folder(study)?.as_deref()))
}

/// What a run or a study at `path` remembers, if it is there.
fn remembered(path: &Path, folder: Option<&Path>) -> PathBuf {
    match folder {
        Some(remembered) if remembered.is_dir() => remembered.to_owned(),
        Some(gone) => {
            let (path, gone) = (Shown(path), Shown(gone));
            output::note(&format!("`{gone}`, the data folder of `{path}`, is not there any more: reading `{DEFAULT}`"));
            DEFAULT.into()
        }
        None => DEFAULT.into(),
    }
}
