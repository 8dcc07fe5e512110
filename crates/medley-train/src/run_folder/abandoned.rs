//! What processes left that were killed while they made a run folder.

use std::path::Path;

use medley_core::RunLayout;
use medley_storage::{ConfinedFolder, FolderLock, is_temporary};

/// Removes run folders that never got their names from a folder of runs: those that no process is making now. A folder that is
/// not known to be one of them stays, as `runs` may be any folder of the user's. Best effort: nothing depends on it.
pub(super) fn sweep(runs: &Path) {
    let Some(_alone) = FolderLock::alone(runs) else { return };
    let folder = ConfinedFolder::new(runs);
    for name in folder.list(runs).unwrap_or_default() {
        let path = runs.join(&name);
        if name.to_str().is_some_and(is_temporary) && is_unfinished(&folder, &path) {
            let _ = folder.remove(&path);
        }
    }
}

/// Whether a folder holds no more than a run folder has before it gets its name.
fn is_unfinished(folder: &ConfinedFolder, path: &Path) -> bool {
    let first = |name: &std::ffi::OsString| name == RunLayout::CONFIG || name == RunLayout::MANIFEST;
    folder.list(path).is_ok_and(|names| names.iter().all(first))
}
