//! Where runs are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use medley_core::RunLayout;

use crate::RunsError;

/// Folders that may be runs, in the order of the folders that hold them and then of their names.
///
/// # Errors
/// When a folder is missing or cannot be listed.
pub(crate) fn candidates(folders: &[PathBuf]) -> Result<Vec<PathBuf>, RunsError> {
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for folder in folders {
        let inside = if looks_like_one(folder) { vec![folder.clone()] } else { folders_in(folder)? };
        found.extend(inside.into_iter().filter(|path| seen.insert(path.clone())));
    }
    Ok(found)
}

/// Whether a folder has what only run folders have. One that lost its manifest is still known by the two files beside it.
pub(crate) fn looks_like_one(folder: &Path) -> bool {
    let run = RunLayout::new(folder);
    let has = |path: PathBuf| path.symlink_metadata().is_ok();
    has(run.manifest()) || (has(run.config()) && has(run.events()))
}

/// Names that begin with a dot are of what is not complete yet, or being removed.
fn folders_in(folder: &Path) -> Result<Vec<PathBuf>, RunsError> {
    let unlistable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => RunsError::Missing { path: folder.to_owned() },
        _ => RunsError::Unlistable { path: folder.to_owned(), source },
    };
    let mut found = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(unlistable)? {
        let entry = entry.map_err(unlistable)?;
        let is_folder = match entry.file_type() {
            // A link to a run on another disk; one that leads nowhere, or in a circle, leads to no folder.
            Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
            Ok(kind) => kind.is_dir(),
            Err(_) => false,
        };
        if is_folder && !entry.file_name().to_string_lossy().starts_with('.') {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
