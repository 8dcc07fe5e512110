//! Which data folder belongs to a run.

use std::path::{Path, PathBuf};

use medley_core::record::Manifest;
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
    match manifest.and_then(|manifest| manifest.data_folder.as_deref()).map(Path::new) {
        Some(remembered) if remembered.is_dir() => remembered.to_owned(),
        Some(gone) => {
            let (path, gone) = (Shown(path), Shown(gone));
            output::note(&format!("`{gone}`, the data folder of `{path}`, is not there any more: reading `{DEFAULT}`"));
            DEFAULT.into()
        }
        None => DEFAULT.into(),
    }
}
