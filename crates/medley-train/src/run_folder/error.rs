use std::io;
use std::path::PathBuf;

use medley_core::message::then_in;
use medley_predictions::RecordError;
use medley_storage::{ReadError, Shown, StorageError};

/// Why a run folder could not be made or opened.
#[derive(Debug, thiserror::Error)]
pub enum RunFolderError {
    /// The name cannot be one of a folder.
    #[error("{name:?} cannot be the name of a run: {}", super::NAME_RULE)]
    BadName {
        /// As given.
        name: String,
    },
    /// The name is taken.
    #[error(
        "run `{}` already exists, and runs are never overwritten; choose another name, omit `--name` to get a \
         numbered one, or resume it: medley resume {}",
        Shown(path),
        Shown(path)
    )]
    Exists {
        /// The folder.
        path: PathBuf,
    },
    /// A folder cannot be made.
    #[error("cannot create folder `{}`; does its parent exist, and is it writable?", Shown(path))]
    Unwritable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file system is too full.
    #[error(
        "not enough space for `{}`: {} are needed, {} are free; make room or choose another folder",
        Shown(path), bytes(*needed), bytes(*free)
    )]
    NoSpace {
        /// Where it would be written.
        path: PathBuf,
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// Another process holds the folder.
    #[error("run `{}` is in use by {holder}; is another `medley` training it? Wait for it or stop it", Shown(path))]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Process and host, as far as they are known.
        holder: String,
    },
    /// There is no such folder.
    #[error("there is no run folder `{}`", Shown(path))]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Something else is there.
    #[error(
        "`{}` is not a run folder: {problem}; run folders lie under `runs`, such as runs/quickstart-1",
        Shown(path)
    )]
    NotARunFolder {
        /// What was to be opened.
        path: PathBuf,
        /// What makes a run folder and is not there.
        problem: &'static str,
    },
    /// A file or folder cannot be read, or is not read: a link, a pipe, a file larger than Medley writes it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The manifest is not what Medley writes.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The config was edited after the run was made.
    #[error(
        "`{}` was changed after the run was made (its SHA-256 is not that of the manifest), so the run cannot be resumed; \
         undo the change, or start a new run: medley train {}",
        Shown(path),
        Shown(path)
    )]
    ConfigChanged {
        /// The file.
        path: PathBuf,
    },
    /// The data is not what the run began with.
    #[error(
        "run `{}` cannot be resumed with other data: task `{task}`, file `{file}`: {problem}; point --data to the files that the \
         run started with{}, or start a new run",
        Shown(run), then_in(began_in.as_deref())
    )]
    DataChanged {
        /// The run folder.
        run: PathBuf,
        /// Task name.
        task: String,
        /// File name.
        file: String,
        /// What differs.
        problem: String,
        /// The data folder that the run began with, as far as the manifest says.
        began_in: Option<String>,
    },
    /// A file of the folder could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

fn bytes(count: u64) -> String {
    match count {
        0..1_000_000 => format!("{count} bytes"),
        1_000_000..1_000_000_000 => format!("{:.1} MB", count as f64 / 1e6),
        _ => format!("{:.1} GB", count as f64 / 1e9),
    }
}
