//! Folders that nothing leads out of.
//!
//! A run folder may come from somebody else. A link in it, in place of a file or of a folder, would have Medley show what it
//! points to, or write there. So a file of such a folder is opened step by step from the folder itself, each step refusing a link,
//! and whatever is written, made or removed in it is checked first. The folder itself may be reached through links: that is for
//! the user who names it.

use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use fs_err::File;

use crate::read::{is_link, read_all, regular, text};
use crate::{ReadError, Storage, StorageError, sweep_temporary};

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading; the file must be there.
    Read,
    /// Reading, and writing at its end; it is made if it is missing.
    Append,
    /// Reading and writing anywhere; it is made if it is missing.
    Update,
    /// Writing a file that must not be there yet.
    Create,
}

/// A folder whose files are reached through no link. Paths are given in full, as joined to the path of the folder.
///
/// ```
/// use medley_storage::{ConfinedFolder, ReadError};
///
/// let root = tempfile::tempdir()?;
/// let folder = ConfinedFolder::new(root.path());
/// std::fs::write(root.path().join("a"), "text")?;
/// assert_eq!(folder.read_file(&root.path().join("a"), 100)?, b"text");
/// assert!(matches!(folder.read_file(&root.path().join("../a"), 100), Err(ReadError::Outside { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfinedFolder {
    root: PathBuf,
}

impl ConfinedFolder {
    /// The folder at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Opens a regular file for reading. Nothing waits.
    ///
    /// # Errors
    /// [`ReadError`], but for [`ReadError::TooLarge`] and [`ReadError::NotText`].
    pub fn open_file(&self, path: &Path) -> Result<File, ReadError> {
        self.open(path, Access::Read)
    }

    /// Opens a regular file.
    ///
    /// # Errors
    /// As [`Self::open_file`].
    pub fn open(&self, path: &Path, access: Access) -> Result<File, ReadError> {
        let names = self.names(path)?;
        match open_below(&self.root, &names, access) {
            Ok(file) => regular(File::from_parts(file, path)),
            Err(source) => {
                self.check(path)?;
                Err(ReadError::of(path, source))
            }
        }
    }

    /// The bytes of a regular file, at most `limit` of them.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_file(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        read_all(self.open_file(path)?, limit)
    }

    /// The text of a regular file, at most `limit` bytes.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn read_text(&self, path: &Path, limit: u64) -> Result<String, ReadError> {
        text(path, self.read_file(path, limit)?)
    }

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// [`ReadError::Missing`], [`ReadError::Link`], [`ReadError::Outside`], [`ReadError::Io`].
    pub fn list(&self, path: &Path) -> Result<Vec<OsString>, ReadError> {
        self.check(path)?;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ReadError::Missing { path: path.to_owned() },
            _ => ReadError::Io { path: path.to_owned(), source },
        };
        let mut names = Vec::new();
        for entry in fs_err::read_dir(path).map_err(failed)? {
            names.push(entry.map_err(failed)?.file_name());
        }
        names.sort();
        Ok(names)
    }

    /// Makes a folder, and those above it that are missing.
    ///
    /// # Errors
    /// [`StorageError::Io`], also where there is a link on the way.
    pub fn create_folder(&self, path: &Path) -> Result<(), StorageError> {
        let made = self.allow(path).and_then(|()| fs_err::create_dir_all(path)).and_then(|()| self.allow(path));
        made.map_err(|source| StorageError::io(path, source))
    }

    /// Removes a file, or a folder with what is in it. A link goes, what it points to stays.
    ///
    /// # Errors
    /// [`StorageError::Io`], also where a folder above it is a link.
    pub fn remove(&self, path: &Path) -> Result<(), StorageError> {
        let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
        let remove = || if is_folder { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) };
        let removed = self.allow(path.parent().unwrap_or(path)).and_then(|()| remove());
        removed.map_err(|source| StorageError::io(path, source))
    }

    /// Removes what interrupted writes left in a folder; see [`sweep_temporary`].
    ///
    /// # Errors
    /// [`StorageError::Io`], also where there is a link on the way.
    pub fn sweep(&self, path: &Path) -> Result<usize, StorageError> {
        self.allow(path).map_err(|source| StorageError::io(path, source))?;
        sweep_temporary(path)
    }

    /// Whether no component of a path below the folder is a link. What does not exist is none.
    ///
    /// # Errors
    /// [`ReadError::Link`] with the first that is, [`ReadError::Outside`].
    pub fn check(&self, path: &Path) -> Result<(), ReadError> {
        let mut below = self.root.clone();
        for name in self.names(path)? {
            below.push(name);
            if is_link(&below) {
                return Err(ReadError::Link { path: below });
            }
        }
        Ok(())
    }

    /// [`Self::check`] in the words of the system.
    fn allow(&self, path: &Path) -> io::Result<()> {
        self.check(path).map_err(io::Error::other)
    }

    /// The components of a path below the folder.
    fn names(&self, path: &Path) -> Result<Vec<OsString>, ReadError> {
        let outside = || ReadError::Outside { path: path.to_owned(), folder: self.root.clone() };
        let below = path.strip_prefix(&self.root).map_err(|_| outside())?;
        let name = |component| match component {
            Component::Normal(name) => Some(name.to_owned()),
            _ => None,
        };
        below.components().map(name).collect::<Option<_>>().ok_or_else(outside)
    }
}

/// Each step is opened from the one before, so that no name on the way can become a link between a look and the opening.
#[cfg(unix)]
fn open_below(root: &Path, names: &[OsString], access: Access) -> io::Result<std::fs::File> {
    use rustix::fs::{Mode, OFlags, open, openat};
    let (Some(last), folders) = (names.last(), &names[..names.len().saturating_sub(1)]) else {
        return Err(io::ErrorKind::IsADirectory.into());
    };
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    let step = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder = open(root, step, Mode::empty())?;
    for name in folders {
        folder = openat(&folder, name.as_os_str(), step | OFlags::NOFOLLOW, Mode::empty())?;
    }
    let wanted = match access {
        Access::Read => OFlags::RDONLY,
        Access::Append => OFlags::RDWR | OFlags::APPEND | OFlags::CREATE,
        Access::Update => OFlags::RDWR | OFlags::CREATE,
        Access::Create => OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL,
    };
    let flags = wanted | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let readable = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    Ok(openat(&folder, last.as_os_str(), flags, readable)?.into())
}

#[cfg(not(unix))]
fn open_below(root: &Path, names: &[OsString], access: Access) -> io::Result<std::fs::File> {
    let mut path = root.to_owned();
    for name in names {
        path.push(name);
        if is_link(&path) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
    }
    let mut options = std::fs::OpenOptions::new();
    match access {
        Access::Read => options.read(true),
        Access::Append => options.read(true).append(true).create(true),
        Access::Update => options.read(true).write(true).create(true).truncate(false),
        Access::Create => options.write(true).create_new(true),
    };
    options.open(path)
}

/// A storage that writes into one folder, and through no link in it.
#[derive(Debug, Clone)]
pub struct ConfinedFs<S> {
    folder: ConfinedFolder,
    storage: S,
}

impl<S: Storage> ConfinedFs<S> {
    /// Writes with `storage` what lies in `folder`, and refuses the rest.
    pub fn new(folder: ConfinedFolder, storage: S) -> Self {
        Self { folder, storage }
    }

    fn check(&self, path: &Path) -> io::Result<()> {
        self.folder.allow(path)
    }
}

impl<S: Storage> Storage for ConfinedFs<S> {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.check(path)?;
        self.storage.write_synced(path, bytes)
    }

    fn rename_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(from)?;
        self.check(to)?;
        self.storage.rename_synced(from, to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.check(path)?;
        self.storage.create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.check(path)?;
        self.storage.write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(from)?;
        self.check(to)?;
        self.storage.rename(from, to)
    }

    fn link_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(from)?;
        self.check(to)?;
        self.storage.link_synced(from, to)
    }

    fn sync_files(&self, folder: &Path, names: &[&str]) -> io::Result<()> {
        names.iter().try_for_each(|name| self.check(&folder.join(name)))?;
        self.storage.sync_files(folder, names)
    }
}

impl<S: Storage + ?Sized> Storage for &S {
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).write_synced(path, bytes)
    }

    fn rename_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename_synced(from, to)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        (**self).create_dir(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        (**self).write(path, bytes)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).rename(from, to)
    }

    fn link_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        (**self).link_synced(from, to)
    }

    fn sync_files(&self, folder: &Path, names: &[&str]) -> io::Result<()> {
        (**self).sync_files(folder, names)
    }
}
