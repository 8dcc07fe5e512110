use std::path::Path;

use crate::{ConfinedFolder, FolderLock, is_temporary};

/// Removes folders that never got their names, because the process that filled them was killed, from a folder that may be any of the
/// user's: those that hold nothing but files and folders of these names. Nothing is done while another process fills one, which it tells by a
/// [`FolderLock::shared`]. Best effort: nothing depends on it.
pub fn sweep_unfinished(parent: &Path, names: &[&str]) {
    let Some(_alone) = FolderLock::alone(parent) else { return };
    let folder = ConfinedFolder::new(parent);
    let is_one = |path: &Path| {
        let is_known = |name: &std::ffi::OsString| names.iter().any(|known| name == known);
        folder.list(path).is_ok_and(|found| found.iter().all(is_known))
    };
    for name in folder.list(parent).unwrap_or_default() {
        let path = parent.join(&name);
        if name.to_str().is_some_and(is_temporary) && is_one(&path) {
            let _ = folder.remove(&path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn folders_of_known_files_go_unless_one_is_being_filled() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let (empty, known) = (at(".tmp-1-0a-0-x"), at(".tmp-2-0b-7-x-2"));
        let kept = [at(".tmp-mine"), at(".tmp-1-0a-1-y"), at("x-3")];
        for path in [&empty, &known].into_iter().chain(&kept) {
            std::fs::create_dir(path).unwrap();
        }
        std::fs::write(known.join("a.json"), "").unwrap();
        std::fs::create_dir(known.join("parts")).unwrap();
        std::fs::write(kept[1].join("b.json"), "").unwrap();
        let sweep = || sweep_unfinished(folder.path(), &["a.json", "parts"]);
        let filling = FolderLock::shared(folder.path());
        sweep();
        assert!(empty.exists() && known.exists());
        drop(filling);
        sweep();
        assert!(!empty.exists() && !known.exists() && kept.iter().all(|path| path.exists()));
        sweep_unfinished(&at("none"), &[]);
    }
}
