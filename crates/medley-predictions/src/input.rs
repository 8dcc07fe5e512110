//! Files of predictions and labels, opened and not yet read: what they should hold is often known from their first bytes and their
//! name, and says how large they can be.

use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};

use fs_err::File;
use medley_storage::{ConfinedFolder, ReadError, open_file, read_all};

use crate::{PredictionError, RecordError};

/// Bytes that are looked at before the rest: the longest header that says what a file is.
const HEAD: u64 = 1 << 16;
/// No file is refused that is smaller: numbers that are read from it say better what is wrong than its size does.
const ALWAYS: u64 = 4 << 20;

/// An open file.
#[derive(Debug)]
pub(crate) struct Input {
    path: PathBuf,
    file: File,
    head: Vec<u8>,
}

impl Input {
    /// Opens a regular file that is not empty, which a user named. Nothing waits, whatever the path stands for.
    pub(crate) fn open(path: &Path) -> Result<Self, PredictionError> {
        Self::new(path, open_file(path)?)
    }

    /// The same in a run folder, through no link.
    pub(crate) fn open_in(run: &Path, path: &Path) -> Result<Self, PredictionError> {
        Self::new(path, ConfinedFolder::new(run).open_file(path).map_err(RecordError::from)?)
    }

    fn new(path: &Path, mut file: File) -> Result<Self, PredictionError> {
        let mut head = Vec::new();
        let read = file.by_ref().take(HEAD).read_to_end(&mut head);
        read.map_err(|source| PredictionError::Io { path: path.to_owned(), source })?;
        if head.is_empty() {
            return Err(PredictionError::Empty { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), file, head })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Its first bytes.
    pub(crate) fn head(&self) -> &[u8] {
        &self.head
    }

    /// All of it, if it is not larger than `what` can be: so many bytes, but never less than a few megabytes.
    pub(crate) fn read(mut self, limit: u64, what: &str) -> Result<Vec<u8>, PredictionError> {
        let start = self.file.seek(io::SeekFrom::Start(0));
        start.map_err(|source| PredictionError::Io { path: self.path, source })?;
        read_all(self.file, limit.max(ALWAYS)).map_err(|error| match error {
            ReadError::TooLarge { path, bytes, limit } => {
                PredictionError::TooLarge { path, bytes, limit, what: what.to_owned() }
            }
            error => error.into(),
        })
    }
}
