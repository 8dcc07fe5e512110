use std::ffi::OsString;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Shown, Storage};

/// Marks what a crash may leave behind. Names that start so are never read, and swept by [`sweep_temporary`].
const TEMPORARY_PREFIX: &str = ".tmp-";

/// Tells the writes of one process apart.
static TURN: AtomicU64 = AtomicU64::new(0);

/// Tells processes apart; the standard library's hasher is seeded by the system.
static PROCESS_TAG: LazyLock<u32> = LazyLock::new(|| RandomState::new().build_hasher().finish() as u32);

/// Why something could not be written. The target is then as it was before.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The target exists and may not be replaced.
    #[error("`{}` exists already", Shown(path))]
    Exists {
        /// The target.
        path: PathBuf,
    },
    /// The target has no file name.
    #[error("`{}` does not name a file", Shown(path))]
    NoName {
        /// The target.
        path: PathBuf,
    },
    /// There is no folder for it.
    #[error("cannot write `{}`: there is no folder `{}`; make it first", Shown(path), Shown(path.parent().unwrap_or(path)))]
    NoFolder {
        /// The target.
        path: PathBuf,
    },
    /// The device or the file system refused.
    #[error("cannot write `{}`", Shown(path))]
    Io {
        /// The target.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl StorageError {
    /// The device or the file system refused to write a path.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Whether the disk (or quota) is full.
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Io { source, .. }
            if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded))
    }
}

/// Writes a file, replacing what was there: afterwards it holds the old bytes or the new ones. What a process that was killed while
/// it wrote the same file left beside it is removed.
///
/// # Errors
/// [`StorageError::NoFolder`], [`StorageError::Io`]; the old file, if any, is untouched.
pub fn write_whole(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let temporary = swept_sibling(path)?;
    let result = storage.write_synced(&temporary, bytes).and_then(|()| storage.rename_synced(&temporary, path));
    result.map_err(|source| {
        discard_file(&temporary);
        StorageError::io(path, source)
    })
}

/// Writes a file that is too large to be held in memory: `fill` writes what is at the path it is given and flushes it to
/// the device; the file then takes its name, replacing what was there.
///
/// # Errors
/// [`StorageError::NoFolder`], [`StorageError::Io`]; the old file, if any, is untouched. What `fill` refuses comes back as its own error.
pub fn write_filled<E: From<StorageError>>(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&Path) -> Result<(), E>,
) -> Result<(), E> {
    let temporary = swept_sibling(path)?;
    let result = fill(&temporary).and_then(|()| {
        let renamed = storage.rename_synced(&temporary, path);
        renamed.map_err(|source| StorageError::io(path, source).into())
    });
    if result.is_err() {
        discard_file(&temporary);
    }
    result
}

/// Writes a file that must not exist yet.
///
/// # Errors
/// [`StorageError::Exists`], [`StorageError::NoFolder`], [`StorageError::Io`].
pub fn write_new(storage: &dyn Storage, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    if path.symlink_metadata().is_ok() {
        return Err(StorageError::Exists { path: path.to_owned() });
    }
    write_whole(storage, path, bytes)
}

/// Writes a folder of files under a name that must not exist yet: it appears complete, or not at all.
///
/// # Errors
/// [`StorageError::Exists`], [`StorageError::Io`].
pub fn commit_directory(storage: &dyn Storage, path: &Path, files: &[(&str, &[u8])]) -> Result<(), StorageError> {
    fill_directory(storage, path, |write| files.iter().try_for_each(|(name, bytes)| write(name, bytes)))
}

/// As [`commit_directory`], for files that are not held in memory together: `fill` hands them over one after another, each by its
/// name and bytes. A name such as `predictions/a.csv` stands for a file in a folder of the folder, which is made for the first of them.
///
/// # Errors
/// [`StorageError::Exists`], [`StorageError::Io`]. What `fill` refuses comes back as its own error.
pub fn fill_directory<E: From<StorageError>>(
    storage: &dyn Storage,
    path: &Path,
    fill: impl FnOnce(&dyn Fn(&str, &[u8]) -> Result<(), StorageError>) -> Result<(), E>,
) -> Result<(), E> {
    if path.symlink_metadata().is_ok() {
        return Err(StorageError::Exists { path: path.to_owned() }.into());
    }
    let temporary = temporary_sibling(path)?;
    let io = |source| StorageError::io(path, source);
    let write = |name: &str, bytes: &[u8]| {
        let place = temporary.join(name);
        let inner = place.parent().filter(|inner| **inner != *temporary);
        if let Some(inner) = inner.filter(|inner| !inner.is_dir()) {
            storage.create_dir(inner).map_err(io)?;
        }
        storage.write_synced(&place, bytes).map_err(io)?;
        inner.map_or(Ok(()), |inner| storage.sync_files(inner, &[]).map_err(io))
    };
    let filled = || {
        storage.create_dir(&temporary).map_err(io)?;
        fill(&write)?;
        Ok(storage.rename_synced(&temporary, path).map_err(io)?)
    };
    filled().inspect_err(|_: &E| discard_directory(&temporary))
}

/// Makes a folder of the user's choice, and those above it that are missing.
///
/// # Errors
/// [`StorageError::Io`].
pub fn create_folder(path: &Path) -> Result<(), StorageError> {
    fs_err::create_dir_all(path).map_err(|source| StorageError::io(path, source))
}

/// The user's cache folder, `XDG_CACHE_HOME` or else `.cache` in the home folder; none where neither is known.
pub fn user_cache_folder() -> Option<PathBuf> {
    cache_folder(|name| std::env::var_os(name))
}

/// A relative path in `XDG_CACHE_HOME` is ignored, as the XDG Base Directory Specification 0.8 asks: it would be another folder in
/// every folder that a program is started in.
fn cache_folder(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    path("XDG_CACHE_HOME").filter(|path| path.is_absolute()).or_else(|| path("HOME").map(|home| home.join(".cache")))
}

/// Removes a file; where there is none, nothing is to be done.
///
/// # Errors
/// Any other I/O error.
pub fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Removes what interrupted writes left in a folder. Returns how many entries were removed; a folder that does not
/// exist has none.
///
/// # Errors
/// [`StorageError::Io`] when the folder cannot be listed.
pub fn sweep_temporary(folder: &Path) -> Result<usize, StorageError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(source) => return Err(StorageError::io(folder, source)),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry.map_err(|source| StorageError::io(folder, source))?;
        if entry.file_name().to_string_lossy().starts_with(TEMPORARY_PREFIX) {
            // A link goes, what it points to stays.
            discard_directory(&entry.path());
            discard_file(&entry.path());
            removed += 1;
        }
    }
    Ok(removed)
}

/// Removes what interrupted writes of some files left in a folder that other processes may be writing to: temporary files whose
/// process is not running any more, of the files that `is_ours` names. That is done before such a file is written again, so what is
/// taken from a process on another machine is what this one is about to replace. Nothing is said of what cannot be removed.
pub fn sweep_abandoned(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(Temporary { process, target }) = name.to_str().and_then(Temporary::parse) else { continue };
        // A number that no process has here is of none that is gone.
        if is_ours(target) && process.parse().is_ok_and(|process| !is_running(process)) {
            discard_file(&entry.path());
        }
    }
}

/// The name of a temporary file, as [`temporary_sibling`] makes it.
pub(crate) struct Temporary<'a> {
    /// Digits, the number of the process.
    process: &'a str,
    /// The final name.
    pub(crate) target: &'a str,
}

impl<'a> Temporary<'a> {
    pub(crate) fn parse(name: &'a str) -> Option<Self> {
        let mut parts = name.strip_prefix(TEMPORARY_PREFIX)?.splitn(4, '-');
        let mut next = |is_fit: fn(&u8) -> bool| {
            parts.next().filter(|part| !part.is_empty() && part.as_bytes().iter().all(is_fit))
        };
        let process = next(u8::is_ascii_digit)?;
        next(u8::is_ascii_hexdigit)?;
        next(u8::is_ascii_digit)?;
        Some(Self { process, target: next(|_| true)? })
    }
}

/// Whether there is a process of this number here, or that cannot be told.
#[cfg(unix)]
pub fn is_running(process: u32) -> bool {
    use rustix::process::{Pid, test_kill_process};
    let process = i32::try_from(process).ok().and_then(Pid::from_raw);
    process.is_none_or(|process| test_kill_process(process) != Err(rustix::io::Errno::SRCH))
}

/// Whether there is a process of this number here, or that cannot be told.
#[cfg(not(unix))]
pub fn is_running(_: u32) -> bool {
    true
}

/// Whether a name is one that this program gives to what is not complete yet: other programs too have files that begin alike.
pub fn is_temporary(name: &str) -> bool {
    Temporary::parse(name).is_some()
}

/// A name beside the target that no other write uses at the same time, in this process or another. Process numbers repeat
/// between containers and hosts that share a disk, so a random number, made once per process, goes with them.
pub(crate) fn temporary_sibling(path: &Path) -> Result<PathBuf, StorageError> {
    let name = path.file_name().ok_or_else(|| StorageError::NoName { path: path.to_owned() })?;
    let mut temporary = OsString::from(TEMPORARY_PREFIX);
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    temporary.push(format!("{}-{:08x}-{turn}-", std::process::id(), *PROCESS_TAG));
    temporary.push(name);
    Ok(path.with_file_name(temporary))
}

/// A temporary name, after what was left of earlier writes of the same file is removed.
fn swept_sibling(path: &Path) -> Result<PathBuf, StorageError> {
    let temporary = temporary_sibling(path)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(folder.try_exists(), Ok(false)) {
        return Err(StorageError::NoFolder { path: path.to_owned() });
    }
    sweep_abandoned(folder, |target| path.ends_with(target));
    Ok(temporary)
}

/// Best effort: the write has failed already, and that error is the one to report.
pub(crate) fn discard_file(path: &Path) {
    let _ = fs_err::remove_file(path);
}

fn discard_directory(path: &Path) {
    let _ = fs_err::remove_dir_all(path);
}

#[cfg(all(test, unix))]
#[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
mod tests {
    use super::*;

    #[test]
    fn a_relative_cache_folder_is_ignored() {
        let found = |cache: &str, home: &str| {
            let known = |value: &str| Some(OsString::from(value));
            cache_folder(|name| if name == "HOME" { known(home) } else { known(cache) })
        };
        assert_eq!(found("/cache", "/home/a"), Some(PathBuf::from("/cache")));
        for ignored in ["", "cache", "./cache"] {
            assert_eq!(found(ignored, "/home/a"), Some(PathBuf::from("/home/a/.cache")));
            assert_eq!(found(ignored, ""), None);
        }
    }

    #[test]
    fn what_is_written_is_what_is_parsed() {
        let made = temporary_sibling(Path::new("data/a-b.npz")).unwrap();
        let name = made.file_name().unwrap().to_str().unwrap();
        let Temporary { process, target } = Temporary::parse(name).unwrap();
        assert_eq!((process, target), (std::process::id().to_string().as_str(), "a-b.npz"));
        for other in
            ["a-b.npz", ".tmp-", ".tmp-1-ab-0-", ".tmp-x-ab-0-a", ".tmp-1-xy-0-a", ".tmp-1-ab--a", ".tmp-1-ab-0"]
        {
            assert!(!is_temporary(other), "{other}");
        }
    }

    #[test]
    fn what_a_dead_process_left_of_a_file_is_removed_and_nothing_else() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |process: u32, target: &str| {
            let name = format!("{TEMPORARY_PREFIX}{process}-0000abcd-0-{target}");
            std::fs::write(folder.path().join(&name), "x").unwrap();
            name
        };
        let gone = write(dead, "a-b.npz");
        let kept = [write(std::process::id(), "a-b.npz"), write(dead, "b.npz"), write(0, "a-b.npz")];
        sweep_abandoned(folder.path(), |target| target == "a-b.npz");
        assert!(!folder.path().join(gone).exists());
        for name in &kept {
            assert!(folder.path().join(name).exists(), "{name}");
        }
        sweep_abandoned(folder.path(), |_| true);
        assert!(!folder.path().join(&kept[1]).exists() && folder.path().join(&kept[0]).exists());
        sweep_abandoned(&folder.path().join("none"), |_| true);

        let (gone, kept) = (write(dead, "c.npz"), write(dead, "d.npz"));
        write_whole(&crate::RealFs, &folder.path().join("c.npz"), b"whole").unwrap();
        assert!(!folder.path().join(gone).exists() && folder.path().join(kept).exists());
    }
}
