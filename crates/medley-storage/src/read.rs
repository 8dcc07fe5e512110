//! Opening what others have made, for reading.
//!
//! A path that somebody gave may stand for anything: a pipe that nobody writes to, whose opening never returns; a device without
//! end; a file of terabytes that takes no room on the disk. So a path is opened without waiting, the handle is asked what it is,
//! only a regular file is read, and its size is checked before a byte of it is held. The handle that was checked is the one that
//! is read: a path may stand for another file a moment later.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use fs_err::File;

use crate::Shown;

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// There is nothing of that name.
    #[error("there is no file `{}`", Shown(path))]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// It is a folder, a pipe, a socket, a device.
    #[error("`{}` is {what}, not a regular file", Shown(path))]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// A link where none may be.
    #[error(
        "`{}` is a link, and links are not followed there; put the file or folder itself in its place",
        Shown(path)
    )]
    Link {
        /// The link.
        path: PathBuf,
    },
    /// A name that leads out of the folder that it belongs to.
    #[error("`{}` does not lie in `{}`", Shown(path), Shown(folder))]
    Outside {
        /// The path.
        path: PathBuf,
        /// The folder.
        folder: PathBuf,
    },
    /// It is larger than such a file can be; nothing of it was read.
    #[error("`{}` holds {bytes} bytes, more than the {limit} that such a file may have", Shown(path))]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// It is no UTF-8 text.
    #[error("`{}`, line {line}: this is not UTF-8 text", Shown(path))]
    NotText {
        /// The path.
        path: PathBuf,
        /// Line of the first byte that is wrong, 1-based.
        line: usize,
    },
    /// The system refused.
    #[error("cannot read `{}`", Shown(path))]
    Io {
        /// The path.
        path: PathBuf,
        /// What it said.
        #[source]
        source: io::Error,
    },
}

impl ReadError {
    /// What the system said of a path that could not be opened.
    pub(crate) fn of(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match (source.kind(), std::fs::metadata(&path)) {
            (io::ErrorKind::NotFound, _) => Self::Missing { path },
            // Some things cannot even be opened, such as sockets.
            (_, Ok(metadata)) if !metadata.is_file() => Self::NotAFile { what: kind_of(&metadata), path },
            _ => Self::Io { path, source },
        }
    }
}

/// Turns what is missing into `None`.
///
/// # Errors
/// Every other error.
pub fn if_present<T>(read: Result<T, ReadError>) -> Result<Option<T>, ReadError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(ReadError::Missing { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a regular file that a user named; it may be a link to one. Nothing waits, whatever the path stands for.
///
/// # Errors
/// [`ReadError::Missing`], [`ReadError::NotAFile`], [`ReadError::Io`].
pub fn open_file(path: &Path) -> Result<File, ReadError> {
    let file = open_at_once(path, false).map_err(|source| ReadError::of(path, source))?;
    regular(File::from_parts(file, path))
}

/// Opens a regular file whose name is not that of a link. Folders on the way to it may be links.
///
/// # Errors
/// As [`open_file`], and [`ReadError::Link`].
pub fn open_unlinked(path: &Path) -> Result<File, ReadError> {
    match open_at_once(path, true) {
        Ok(file) => regular(File::from_parts(file, path)),
        Err(_) if is_link(path) => Err(ReadError::Link { path: path.to_owned() }),
        Err(source) => Err(ReadError::of(path, source)),
    }
}

/// The bytes of a regular file that a user named, at most `limit` of them.
///
/// # Errors
/// As [`open_file`], and [`ReadError::TooLarge`].
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
    read_all(open_file(path)?, limit)
}

/// The text of a regular file that a user named, at most `limit` bytes.
///
/// # Errors
/// As [`read_file`], and [`ReadError::NotText`].
pub fn read_text(path: &Path, limit: u64) -> Result<String, ReadError> {
    text(path, read_file(path, limit)?)
}

/// The rest of an open file, if it is not larger than `limit` bytes.
///
/// # Errors
/// [`ReadError::TooLarge`], [`ReadError::Io`].
pub fn read_all(mut file: File, limit: u64) -> Result<Vec<u8>, ReadError> {
    let mut content = Vec::with_capacity(check_size(&file, limit)? as usize);
    // It may grow while it is read, and files of the system do not say how long they are.
    let read = file.by_ref().take(limit.saturating_add(1)).read_to_end(&mut content);
    read.map_err(|source| ReadError::Io { path: file.path().to_owned(), source })?;
    let bytes = content.len() as u64;
    if bytes > limit { Err(ReadError::TooLarge { path: file.path().to_owned(), bytes, limit }) } else { Ok(content) }
}

/// The size of an open file in bytes, if it is not larger than `limit`.
///
/// # Errors
/// [`ReadError::TooLarge`], [`ReadError::Io`].
pub fn check_size(file: &File, limit: u64) -> Result<u64, ReadError> {
    let path = || file.path().to_owned();
    let bytes = file.metadata().map_err(|source| ReadError::Io { path: path(), source })?.len();
    if bytes > limit { Err(ReadError::TooLarge { path: path(), bytes, limit }) } else { Ok(bytes) }
}

pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, ReadError> {
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = before.split(|&byte| byte == b'\n').count();
        ReadError::NotText { path: path.to_owned(), line }
    })
}

/// The file, if it is a regular one.
pub(crate) fn regular(file: File) -> Result<File, ReadError> {
    let metadata = file.metadata().map_err(|source| ReadError::Io { path: file.path().to_owned(), source })?;
    if metadata.is_file() {
        Ok(file)
    } else {
        Err(ReadError::NotAFile { path: file.path().to_owned(), what: kind_of(&metadata) })
    }
}

fn kind_of(metadata: &std::fs::Metadata) -> &'static str {
    if metadata.is_dir() { "a folder" } else { "a pipe, socket or device" }
}

pub(crate) fn is_link(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink())
}

/// Opening a pipe would wait for a writer; regular files do not know the flag.
#[cfg(unix)]
fn open_at_once(path: &Path, unlinked: bool) -> io::Result<std::fs::File> {
    use rustix::fs::OFlags;
    use std::os::unix::fs::OpenOptionsExt as _;
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | if unlinked { OFlags::NOFOLLOW } else { OFlags::empty() };
    std::fs::OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

#[cfg(not(unix))]
fn open_at_once(path: &Path, unlinked: bool) -> io::Result<std::fs::File> {
    if unlinked && is_link(path) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    std::fs::OpenOptions::new().read(true).open(path)
}
