use std::path::{Path, PathBuf};

use crate::commit::{discard_file, temporary_sibling};
use crate::{Storage, StorageError};

/// Several files of which none takes its name before all are written and flushed: a disk that fills up leaves the old ones.
/// They then take their names one after another, in the order in which they were written. What a crash between two of these leaves
/// is for the caller to tell, such as by a file that is written before and removed after it.
///
/// ```
/// use medley_storage::{RealFs, Together};
///
/// let folder = tempfile::tempdir()?;
/// let mut files = Together::new(&RealFs);
/// files.write(&folder.path().join("data"), b"0 1 2")?;
/// files.write(&folder.path().join("names"), b"a b c")?;
/// assert!(!folder.path().join("data").exists());
/// files.commit()?;
/// assert!(folder.path().join("data").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Together<'a> {
    storage: &'a dyn Storage,
    /// Temporary and final paths.
    files: Vec<(PathBuf, PathBuf)>,
}

impl<'a> Together<'a> {
    /// No files yet.
    pub fn new(storage: &'a dyn Storage) -> Self {
        Self { storage, files: Vec::new() }
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`StorageError::Io`].
    pub fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
        let storage = self.storage;
        self.fill(path, |temporary| {
            let written = storage.write_synced(temporary, bytes);
            written.map_err(|source| StorageError::io(path, source))
        })
    }

    /// Adds a file that is too large to be held in memory: `fill` writes what is at the path it is given and flushes it to the device.
    ///
    /// # Errors
    /// [`StorageError::NoName`]; what `fill` refuses comes back as its own error.
    pub fn fill<T, E: From<StorageError>>(
        &mut self,
        path: &Path,
        fill: impl FnOnce(&Path) -> Result<T, E>,
    ) -> Result<T, E> {
        let temporary = temporary_sibling(path)?;
        self.files.push((temporary.clone(), path.to_owned()));
        fill(&temporary)
    }

    /// Gives all files their names.
    ///
    /// # Errors
    /// [`StorageError::Io`]; those before the one that it names have their names.
    pub fn commit(mut self) -> Result<(), StorageError> {
        // Those that are still listed when something fails are discarded.
        while let Some((temporary, path)) = self.files.first() {
            let renamed = self.storage.rename_synced(temporary, path);
            renamed.map_err(|source| StorageError::io(path, source))?;
            self.files.remove(0);
        }
        Ok(())
    }
}

impl Drop for Together<'_> {
    fn drop(&mut self) {
        for (temporary, _) in &self.files {
            discard_file(temporary);
        }
    }
}
