//! Folders that are removed whole.
//!
//! Removing a folder takes as many steps as it has files, and a process can be killed between any two. So the folder first takes a
//! temporary name, in one step: whoever looks for it then finds the whole folder or none. What is left under the temporary name
//! is swept later.

use std::io;
use std::path::{Path, PathBuf};

use crate::Storage;
use crate::commit::{Temporary, temporary_sibling};

/// What temporary names of folders that are to be removed end in.
const REMOVED: &str = "removed-folder";

/// Gives a folder a temporary name beside its own, in one step, and returns it: what is there is no longer needed, and can be removed
/// file by file. A link to a folder is refused.
///
/// ```
/// use medley_storage::{RealFs, hide_folder};
///
/// let runs = tempfile::tempdir()?;
/// let run = runs.path().join("run-1");
/// std::fs::create_dir(&run)?;
/// let hidden = hide_folder(&RealFs, &run)?;
/// assert!(!run.exists() && hidden.exists());
/// std::fs::remove_dir_all(hidden)?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Any I/O error; the folder then has its old name.
pub fn hide_folder(storage: &dyn Storage, path: &Path) -> io::Result<PathBuf> {
    if !path.symlink_metadata()?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    // Not its own name: that may be as long as a name can be.
    let hidden = temporary_sibling(&path.with_file_name(REMOVED)).map_err(io::Error::other)?;
    storage.rename_synced(path, &hidden)?;
    Ok(hidden)
}

/// Removes what [`hide_folder`] has hidden in a folder and no process came to remove, and returns how many there were. The caller holds
/// the folder's [`FolderLock`](crate::FolderLock) alone, and those who remove hold it shared. Nothing is said of what cannot be
/// removed.
pub fn sweep_hidden(folder: &Path) -> usize {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let is_hidden = |entry: &fs_err::DirEntry| {
        let name = entry.file_name();
        name.to_str().and_then(Temporary::parse).is_some_and(|temporary| temporary.target == REMOVED)
            && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    entries.filter(is_hidden).filter(|entry| fs_err::remove_dir_all(entry.path()).is_ok()).count()
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use super::*;
    use crate::{Fault, FaultyFs, RealFs};

    fn names(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn it_is_there_whole_or_hidden() {
        for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("run");
            std::fs::create_dir(&path).unwrap();
            std::fs::write(path.join("file"), "text").unwrap();
            assert!(hide_folder(&FaultyFs::new(0, fault), &path).is_err());
            assert!(path.join("file").exists());
            let hidden = hide_folder(&RealFs, &path).unwrap();
            assert!(!path.exists() && hidden.join("file").exists());
            assert_eq!((sweep_hidden(folder.path()), names(folder.path())), (1, 0));
        }
    }

    #[test]
    fn only_hidden_folders_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in ["run", "removed-folder", ".tmp-removed-folder", ".tmp-1-0a-0-run"] {
            std::fs::create_dir(at(name)).unwrap();
        }
        std::fs::write(at(".tmp-1-0a-1-removed-folder"), "a file").unwrap();
        assert_eq!((sweep_hidden(folder.path()), names(folder.path())), (0, 5));
        assert_eq!(sweep_hidden(&at("absent")), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_refused_and_what_links_point_to_stays() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(other.path().join("mine"), "text").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(other.path(), &link).unwrap();
        assert!(hide_folder(&RealFs, &link).is_err());
        let run = folder.path().join("run");
        std::fs::create_dir(&run).unwrap();
        std::os::unix::fs::symlink(other.path(), run.join("inside")).unwrap();
        hide_folder(&RealFs, &run).unwrap();
        assert_eq!(sweep_hidden(folder.path()), 1);
        assert!(other.path().join("mine").exists());
    }
}
