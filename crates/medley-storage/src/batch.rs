use std::path::PathBuf;

use crate::commit::{discard_file, sweep_abandoned, temporary_sibling};
use crate::{Storage, StorageError};

/// Many files of one folder, at a fraction of the cost of [`write_whole`](crate::write_whole) for each: they are flushed together.
/// Whenever the process is killed, every file is whole or absent. A power failure they outlive only once all are flushed, so
/// whatever names the files is written after that.
///
/// ```
/// use medley_storage::{Batch, RealFs};
///
/// let folder = tempfile::tempdir()?;
/// let batch = Batch::new(&RealFs, folder.path());
/// let names = ["a.txt", "b.txt"];
/// for name in names {
///     batch.write(name, b"text")?;
/// }
/// batch.flush(&names)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Batch<'a> {
    storage: &'a dyn Storage,
    folder: PathBuf,
}

impl<'a> Batch<'a> {
    /// Files of a folder that exists. What an interrupted process left there of such files is removed.
    pub fn new(storage: &'a dyn Storage, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        sweep_abandoned(&folder, |_| true);
        Self { storage, folder }
    }

    /// Writes one file, replacing what was there. Any number of threads may do so, each with files of its own.
    ///
    /// # Errors
    /// [`StorageError::Io`]; the old file, if any, is untouched.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), StorageError> {
        let path = self.folder.join(name);
        let temporary = temporary_sibling(&path)?;
        let result = self.storage.write(&temporary, bytes).and_then(|()| self.storage.rename(&temporary, &path));
        result.map_err(|source| {
            discard_file(&temporary);
            StorageError::Io { path, source }
        })
    }

    /// Flushes files that were written, and their names, to the device.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn flush(&self, names: &[&str]) -> Result<(), StorageError> {
        self.storage.sync_files(&self.folder, names).map_err(|source| StorageError::io(&self.folder, source))
    }
}
