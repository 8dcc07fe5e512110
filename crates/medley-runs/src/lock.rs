//! Whether a process writes to a run: it holds the lock of the operating system on `run.lock`, which goes with the process.

use std::fs::TryLockError;
use std::io::Read as _;

use fs_err::File;
use medley_core::RunLayout;
use medley_storage::{Access, ConfinedFolder};

use crate::RunsError;

/// Whether a process holds the run now. Where that cannot be told, none does.
pub(crate) fn is_held(run: &RunLayout) -> bool {
    // Shared and for an instant, so that those who ask at the same time do not see each other; whoever takes it tries for a while.
    let opened = ConfinedFolder::new(run.root()).open_file(&run.lock());
    opened.is_ok_and(|file| matches!(file.file().try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// Keeps other processes from the run until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _file: Option<File>,
}

impl Held {
    /// Takes the lock. A run without a lock file was never held, and a file system without locks has none to take.
    ///
    /// # Errors
    /// [`RunsError::InUse`]; [`RunsError::Read`] where the lock file cannot be opened, so that nobody knows.
    pub(crate) fn take(run: &RunLayout) -> Result<Self, RunsError> {
        let (folder, path) = (ConfinedFolder::new(run.root()), run.lock());
        if path.symlink_metadata().is_err() {
            return Ok(Self { _file: None });
        }
        // Some file systems lock only what may be written.
        let opened = folder.open(&path, Access::Update).or_else(|_| folder.open_file(&path));
        let mut file = opened?;
        match file.file().try_lock() {
            Err(TryLockError::WouldBlock) => {
                Err(RunsError::InUse { path: run.root().to_owned(), holder: holder(&mut file) })
            }
            _ => Ok(Self { _file: Some(file) }),
        }
    }
}

/// Who wrote the file last.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.take(300).read_to_string(&mut text);
    let line: String = text.lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    if read.is_ok() && !line.is_empty() { line } else { "another process".to_owned() }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use super::*;

    #[test]
    fn it_is_held_while_it_is_held() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunLayout::new(folder.path());
        assert!(!is_held(&run) && Held::take(&run).is_ok());
        std::fs::write(run.lock(), "process 7 on here\n").unwrap();
        assert!(!is_held(&run));
        let held = Held::take(&run).unwrap();
        assert!(is_held(&run));
        let refused = Held::take(&run).unwrap_err().to_string();
        assert!(refused.contains("in use by process 7 on here"), "{refused}");
        drop(held);
        assert!(!is_held(&run));
    }
}
