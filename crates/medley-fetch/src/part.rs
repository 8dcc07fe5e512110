//! A file while it grows: locked against others, and beside it a note of which version it is.

use std::fs::TryLockError;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

use medley_storage::{Access, ConfinedFolder, ReadError, RealFs, Storage as _, StorageError, remove_if_present};

use crate::request::sleep;
use crate::{FetchError, FetchEvent, OnEvent, Stop};

/// How often a part that somebody else holds is looked at.
const WAIT: Duration = Duration::from_millis(200);
/// Longest tag or date of a version that is kept, in bytes.
const LONGEST_VERSION: u64 = 1_023;

/// A part that this process alone writes to.
#[derive(Debug)]
pub(crate) struct Part {
    target: PathBuf,
    path: PathBuf,
    note: PathBuf,
    file: fs_err::File,
    len: u64,
}

impl Part {
    /// Opens or creates the part of a file and locks it, waiting for whoever holds it. `None` when the file itself arrived
    /// meanwhile, or a stop was asked for. Where the file system knows no locks there is none.
    pub(crate) fn claim(target: &Path, stop: &Stop, on_event: OnEvent<'_>) -> Result<Option<Self>, FetchError> {
        let path = sibling(target, "part");
        let mut said = false;
        loop {
            let file = open(&path)?;
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => {
                    if !said {
                        on_event(FetchEvent::Waiting);
                        said = true;
                    }
                    sleep(WAIT, stop);
                    if stop.load(Ordering::SeqCst) {
                        return Ok(None);
                    }
                    continue;
                }
                Err(TryLockError::Error(error)) if error.kind() != io::ErrorKind::Unsupported => {
                    return Err(refused(&path, error));
                }
                _ => {}
            }
            if target.symlink_metadata().is_ok() {
                // The other one finished between two looks, and this part was created after it.
                let empty = file.metadata().is_ok_and(|metadata| metadata.len() == 0);
                if empty && is_at(&file, &path) {
                    let _ = fs_err::remove_file(&path);
                }
                return Ok(None);
            }
            // The lock is on a file, not on a name: the name may have gone to another file while it was waited for.
            if is_at(&file, &path) {
                let len = file.metadata().map_err(|source| refused(&path, source))?.len();
                let note = sibling(&path, "from");
                return Ok(Some(Self { target: target.to_owned(), path, note, file, len }));
            }
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that have arrived.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The tag or date of the version that has begun to arrive, if the rest of it can be asked for.
    pub(crate) fn version(&self) -> Option<String> {
        if self.len == 0 {
            return None;
        }
        let text = folder_of(&self.note).read_text(&self.note, LONGEST_VERSION).ok()?;
        let fits = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        fits.then_some(text)
    }

    /// Throws away what has arrived, and notes the version that comes now.
    pub(crate) fn begin(&mut self, version: Option<&str>) -> io::Result<()> {
        // The note goes first: it must never stand beside bytes of another version.
        remove_if_present(&self.note)?;
        self.file.set_len(0)?;
        self.len = 0;
        version.map_or(Ok(()), |version| RealFs.write(&self.note, version.as_bytes()))
    }

    /// Adds bytes at the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.len))?;
        self.file.write_all(bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Flushes to the device.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Throws away what has arrived.
    pub(crate) fn restart(&mut self) -> Result<(), FetchError> {
        self.begin(None).map_err(|source| refused(&self.path, source))
    }

    /// Gives the file its name.
    pub(crate) fn finish(self, target: &Path) -> Result<(), FetchError> {
        rename(&self.path, target)?;
        let _ = fs_err::remove_file(&self.note);
        Ok(())
    }

    /// Sets a complete file aside that is not the published one, under a name that is free, and begins a new part.
    pub(crate) fn reject(&mut self) -> Result<PathBuf, FetchError> {
        let mut kept = sibling(&self.target, "rejected");
        let mut number = 2;
        while kept.symlink_metadata().is_ok() {
            kept = sibling(&self.target, &format!("rejected-{number}"));
            number += 1;
        }
        rename(&self.path, &kept)?;
        let _ = fs_err::remove_file(&self.note);
        self.file = open(&self.path)?;
        let _ = self.file.try_lock();
        self.file.set_len(0).map_err(|source| refused(&self.path, source))?;
        self.len = 0;
        Ok(kept)
    }

    /// Leaves what has arrived for a later attempt, but nothing where nothing has.
    pub(crate) fn abandon(self) {
        if self.len == 0 {
            let _ = fs_err::remove_file(&self.path);
            let _ = fs_err::remove_file(&self.note);
        }
    }
}

/// Whether this file is still the one of that name.
#[cfg(unix)]
fn is_at(file: &fs_err::File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(file), Ok(named)) => identity(file) == identity(named),
        _ => false,
    }
}

/// Other systems do not let a file be renamed while it is open.
#[cfg(not(unix))]
fn is_at(_: &fs_err::File, _: &Path) -> bool {
    true
}

/// Opens a part, or makes it. A link would let whoever made it choose what is written to.
fn open(path: &Path) -> Result<fs_err::File, FetchError> {
    folder_of(path).open(path, Access::Update).map_err(|error| match error {
        ReadError::Io { source, .. } => refused(path, source),
        ReadError::Missing { .. } => refused(path, io::ErrorKind::NotFound.into()),
        _ => FetchError::InTheWay { path: path.to_owned(), problem: "is not a regular file; move it away to download" },
    })
}

fn folder_of(path: &Path) -> ConfinedFolder {
    ConfinedFolder::new(path.parent().unwrap_or(Path::new("")))
}

/// `NAME.npz` and `part` make `NAME.npz.part`.
pub(crate) fn sibling(path: &Path, extension: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(extension);
    PathBuf::from(name)
}

/// The error for a disk that is full, or may not be written.
pub(crate) fn refused(path: &Path, source: std::io::Error) -> FetchError {
    FetchError::Storage(StorageError::io(path, source))
}

/// Gives a file its final name.
fn rename(from: &Path, to: &Path) -> Result<(), FetchError> {
    RealFs.rename_synced(from, to).map_err(|source| refused(to, source))
}

#[cfg(test)]
impl Part {
    /// A part that is written to any file.
    #[cfg(target_os = "linux")]
    pub(crate) fn on(path: &Path) -> Self {
        let file = fs_err::OpenOptions::new().write(true).open(path).expect("a device");
        Self { target: path.to_owned(), path: path.to_owned(), note: sibling(path, "from"), file, len: 0 }
    }
}
