//! What several processes want at once, on one machine or on many that share a file system.
//!
//! These are single operations of the file system that succeed for one process and fail for the others, over NFS too: a hard link
//! onto a name, and the rename of a folder onto one that has files.

use std::io;
use std::path::Path;

use crate::commit::{discard_file, sweep_abandoned, temporary_sibling};
use crate::{Storage, StorageError};

/// Writes a file that only the first of several processes may write: it appears whole, and is never replaced. Unlike
/// [`write_new`](crate::write_new), this holds however close they are.
///
/// ```
/// use medley_storage::{RealFs, write_once};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("finished.json");
/// write_once(&RealFs, &path, b"first")?;
/// assert!(write_once(&RealFs, &path, b"second").is_err());
/// assert_eq!(std::fs::read(&path)?, b"first");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`StorageError::Exists`], [`StorageError::Io`].
pub fn write_once(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let exists = || StorageError::Exists { path: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(exists());
    }
    let temporary = temporary_sibling(path)?;
    if let (Some(folder), Some(name)) = (path.parent(), path.file_name()) {
        sweep_abandoned(folder, |target| name == target);
    }
    let result = storage.write_synced(&temporary, bytes).and_then(|()| storage.link_synced(&temporary, path));
    discard_file(&temporary);
    match result {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists()),
        result => result.map_err(|source| StorageError::io(path, source)),
    }
}

/// Sets the time of last change of a file to now, by the clock of the file system: a sign of life for those who watch it. It makes no
/// file. Where there is no such call, the file grows by a byte.
///
/// # Errors
/// Any I/O error; [`io::ErrorKind::NotFound`] where there is none.
pub fn touch(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW, utimensat};
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let times = Timestamps { last_access: now, last_modification: now };
        Ok(utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)?)
    }
    #[cfg(not(unix))]
    {
        use std::io::Write as _;
        fs_err::OpenOptions::new().append(true).open(path)?.write_all(b".")
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use super::*;
    use crate::{Fault, FaultyFs, RealFs};

    #[test]
    fn one_of_many_writes_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        let written = |number: u32| write_once(&RealFs, &path, number.to_string().as_bytes()).is_ok();
        let winners: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..16).map(|number| scope.spawn(move || written(number))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(winners.iter().filter(|won| **won).count(), 1);
        let winner = winners.iter().position(|won| *won).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), winner.to_string());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn whatever_fails_it_is_whole_or_absent() {
        for fault in [Fault::DiskFull, Fault::Torn, Fault::Crash] {
            for fail_at in 0..3 {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("record");
                let storage = FaultyFs::new(fail_at, fault);
                let result = write_once(&storage, &path, b"whole");
                assert_eq!(result.is_err(), storage.tripped());
                assert_eq!(path.exists(), result.is_ok());
                assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), usize::from(result.is_ok()));
            }
        }
    }

    #[test]
    fn touching_changes_the_time_and_makes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lease");
        assert_eq!(touch(&path).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert!(!path.exists());
        let file = std::fs::File::create_new(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        touch(&path).unwrap();
        assert!(file.metadata().unwrap().modified().unwrap() > std::time::UNIX_EPOCH);
    }
}
