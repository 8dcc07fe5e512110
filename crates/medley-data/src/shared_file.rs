//! One open file, read by several threads at positions of their own.
//!
//! Everything that is read of a data file is read through the handle that was checked when it was opened: a path may stand
//! for another file a moment later, a handle does not.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use medley_storage::{ReadError, open_file};

use crate::DataError;

/// A reader that clones cheaply; each clone has its own position.
#[derive(Debug, Clone)]
pub(crate) struct SharedFile {
    file: Arc<std::fs::File>,
    len: u64,
    position: u64,
}

/// What tells whether a file was written to, or another one took its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Stamp {
    pub(crate) len: u64,
    /// When it was last written to, in the units of the system.
    pub(crate) modified: i64,
    /// Device and inode; 0 where there are none.
    pub(crate) identity: (u64, u64),
}

impl SharedFile {
    /// Opens a regular file.
    ///
    /// # Errors
    /// [`DataError::Missing`], [`DataError::NotAFile`], [`DataError::Empty`], [`DataError::Io`].
    pub(crate) fn open(path: &Path) -> Result<(Self, Stamp), DataError> {
        let file = open_file(path).map_err(|error| match error {
            ReadError::Missing { path } => DataError::Missing { path, synthetic_rows: None },
            ReadError::NotAFile { path, what } => DataError::NotAFile { path, what },
            error => error.into(),
        })?;
        let (file, _) = file.into_parts();
        let metadata = file.metadata().map_err(|source| DataError::io(path, source))?;
        if metadata.len() == 0 {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        Ok((Self { file: Arc::new(file), len: metadata.len(), position: 0 }, Stamp::of(&metadata)))
    }

    /// What the file is now.
    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&self.file.metadata()?))
    }
}

impl Stamp {
    pub(crate) fn of(metadata: &std::fs::Metadata) -> Self {
        let (modified, identity) = identity(metadata);
        Self { len: metadata.len(), modified, identity }
    }
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (i64, (u64, u64)) {
    use std::os::unix::fs::MetadataExt as _;
    let modified = metadata.mtime().wrapping_mul(1_000_000_000).wrapping_add(metadata.mtime_nsec());
    (modified, (metadata.dev(), metadata.ino()))
}

#[cfg(windows)]
fn identity(metadata: &std::fs::Metadata) -> (i64, (u64, u64)) {
    use std::os::windows::fs::MetadataExt as _;
    (metadata.last_write_time() as i64, (0, 0))
}

impl Read for SharedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = read_at(&self.file, buffer, self.position)?;
        self.position += read as u64;
        Ok(read)
    }
}

#[cfg(unix)]
fn read_at(file: &std::fs::File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, buffer, position)
}

#[cfg(windows)]
fn read_at(file: &std::fs::File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, buffer, position)
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_read_at_their_own_positions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs_err::write(&path, b"0123456789").unwrap();
        let (mut one, stamp) = SharedFile::open(&path).unwrap();
        let mut two = one.clone();
        let mut buffer = [0; 3];
        one.seek(SeekFrom::End(-4)).unwrap();
        one.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"678");
        two.read_exact(&mut buffer).unwrap();
        assert_eq!(&buffer, b"012");
        one.seek(SeekFrom::Current(-1)).unwrap();
        one.read_exact(&mut buffer[..2]).unwrap();
        assert_eq!(&buffer[..2], b"89");
        assert!(two.seek(SeekFrom::Current(-9)).is_err());
        assert_eq!(one.stamp().unwrap(), stamp);
        fs_err::write(&path, b"01234567890").unwrap();
        assert_ne!(one.stamp().unwrap(), stamp);
    }
}
