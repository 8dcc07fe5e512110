//! Files that are whole or absent, and files of others that are opened safely.
//!
//! A run may be killed at any instant, and a disk may fill at any byte. Whatever Medley writes therefore goes to a
//! temporary sibling first, is flushed to the device, and only then takes its name by a rename, after which the folder
//! is flushed too (Pillai et al., *All File Systems Are Not Created Equal*, OSDI 2014). A reader sees the old file, the
//! new file, or none; never half a file.
//!
//! [`Storage`] is the mechanism in three operations, so that tests can replace it by [`FaultyFs`], which fails at the
//! k-th operation; [`write_whole`], [`write_new`], [`write_filled`] and [`commit_directory`] are what the rest of Medley calls.
//!
//! Where many files are written at once, [`Batch`] flushes them together; files that belong together go through [`Together`].
//! A folder that is removed is hidden first, in one step, by [`hide_folder`]. What several processes want to write at once, one of them
//! writes by [`write_once`].
//!
//! Whatever comes from outside is opened here too, so that no name can make the program wait, run out of memory or look where it
//! must not: [`open_file`] and [`read_file`] take regular files of a limited size, wherever a user keeps them; of a run folder, a
//! [`ConfinedFolder`] follows no link at all, and [`ConfinedFs`] writes through none.
//!
//! ```
//! use medley_storage::{RealFs, write_new, write_whole};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("results.json");
//! write_whole(&RealFs, &path, b"{}")?;
//! assert!(write_new(&RealFs, &path, b"other").is_err()); // nothing is overwritten silently
//! assert_eq!(std::fs::read_to_string(&path)?, "{}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod claim;
mod commit;
mod confined;
mod faulty;
mod folder_lock;
mod read;
mod real;
mod removal;
mod shown;
mod together;
mod unfinished;
mod unnamed;

pub use batch::Batch;
pub use claim::{touch, write_once};
pub use commit::{
    StorageError, commit_directory, create_folder, fill_directory, is_running, is_temporary, remove_if_present,
    sweep_abandoned, sweep_temporary, user_cache_folder, write_filled, write_new, write_whole,
};
pub use confined::{Access, ConfinedFolder, ConfinedFs};
pub use faulty::{Fault, FaultyFs};
pub use folder_lock::FolderLock;
pub use read::{ReadError, check_size, if_present, open_file, open_unlinked, read_all, read_file, read_text};
pub use real::{RealFs, create_file};
pub use removal::{hide_folder, sweep_hidden};
pub use shown::{Shown, printable};
pub use together::Together;
pub use unfinished::sweep_unfinished;
pub use unnamed::unnamed_file;

use std::io;
use std::path::Path;

/// The operations that a crash can fall between: three, and for [`Batch`] their parts.
pub trait Storage: Send + Sync {
    /// Creates (or truncates) the file at `path`, fills it and flushes it to the device.
    ///
    /// # Errors
    /// Any I/O error; the file may then hold any prefix of `bytes`.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Gives a file or folder its final name, replacing a file of that name, and flushes the folder it lies in.
    ///
    /// # Errors
    /// Any I/O error; the rename may or may not have happened.
    fn rename_synced(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Creates one folder; its parent must exist.
    ///
    /// # Errors
    /// Any I/O error, [`io::ErrorKind::AlreadyExists`] among them.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// [`Self::write_synced`] without the flush, where that can be had.
    ///
    /// # Errors
    /// As [`Self::write_synced`].
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.write_synced(path, bytes)
    }

    /// [`Self::rename_synced`] without the flush, where that can be had.
    ///
    /// # Errors
    /// As [`Self::rename_synced`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.rename_synced(from, to)
    }

    /// Gives a file a further name, which must not be taken, and flushes the folder.
    ///
    /// # Errors
    /// Any I/O error, [`io::ErrorKind::AlreadyExists`] among them.
    fn link_synced(&self, from: &Path, to: &Path) -> io::Result<()> {
        real::link_synced(from, to)
    }

    /// Flushes files of a folder, and the folder's list of names, to the device.
    ///
    /// # Errors
    /// Any I/O error.
    fn sync_files(&self, folder: &Path, names: &[&str]) -> io::Result<()> {
        real::sync_files(folder, names)
    }
}

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
