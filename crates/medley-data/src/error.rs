//! What can be wrong with data.

use std::io;
use std::path::{Path, PathBuf};

use medley_core::CoreError;
use medley_core::message::listed;
use medley_storage::{ReadError, StorageError};

/// Why a data file could not be used. Every variant names the file, and the member where there is one.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The name is not in the registry.
    #[error("unknown data set `{name}`{}; `medley data list` names them all", suggestion_text(suggestion.as_deref()))]
    UnknownSet {
        /// As given.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
    },
    /// The set has no files of this size.
    #[error("`{name}` is not published at size {size}; it is at {sizes:?}")]
    UnknownSize {
        /// The set.
        name: String,
        /// As asked for.
        size: usize,
        /// Those there are.
        sizes: Vec<usize>,
    },
    /// There is no such file.
    #[error("no file `{}`; `medley data fetch {name}` downloads it, `medley data synth {name}` makes a synthetic one", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// The set.
        name: String,
    },
    /// It is a folder, a pipe, a device.
    #[error("`{}` is {what}, not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// The file holds nothing.
    #[error("`{}` is empty (0 bytes): a download was probably interrupted; delete it and fetch it again", path.display())]
    Empty {
        /// The path.
        path: PathBuf,
    },
    /// Reading failed.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is not read: a folder, a pipe, one that is larger than it can be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Not a zip archive, or a truncated or damaged one.
    #[error(
        "`{}` is no readable .npz archive: {problem}; if it was downloaded, delete it and fetch it again",
        path.display()
    )]
    Archive {
        /// The path.
        path: PathBuf,
        /// What the archive reader said.
        problem: String,
    },
    /// A member that must be there is not.
    #[error("`{}` has no member `{member}.npy`; it has {}", path.display(), listed(present.iter().map(String::as_str)))]
    MissingMember {
        /// The path.
        path: PathBuf,
        /// Without `.npy`.
        member: String,
        /// Those there are.
        present: Vec<String>,
    },
    /// Two members of one name, or a name that leaves the archive.
    #[error("`{}` has a hostile or broken list of members: {problem}", path.display())]
    MemberNames {
        /// The path.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A member is not a `.npy` array that can be used.
    #[error("`{}`, member `{member}`: {problem}", path.display())]
    Array {
        /// The path.
        path: PathBuf,
        /// Without `.npy`.
        member: String,
        /// What is wrong, and what is expected.
        problem: String,
    },
    /// The decoded arrays would take more memory than is allowed.
    #[error(
        "`{}` decodes to {needed} bytes, more than the limit of {limit}; give more with --memory, or a folder for \
         decoded files with --cache",
        path.display()
    )]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Bytes it would take.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// A cache that was just written does not read back.
    #[error("`{}` does not hold what was just written to it: check the disk, or choose another folder with --cache", path.display())]
    Cache {
        /// The cache file.
        path: PathBuf,
    },
    /// Shapes, counts or labels do not fit the task.
    #[error("`{}`", path.display())]
    Content {
        /// The path.
        path: PathBuf,
        /// What does not fit.
        #[source]
        source: CoreError,
    },
    /// The file changed while it was read.
    #[error("`{}` changed while it was read; try again when nothing writes to it", path.display())]
    Changed {
        /// The path.
        path: PathBuf,
    },
    /// Writing failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The entry of a user's set cannot be used.
    #[error("`{}` is no entry of a data set: {problem}", path.display())]
    Entry {
        /// The entry.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

impl DataError {
    /// Reading a path failed.
    pub fn io(path: &Path, source: io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// What a file holds does not fit its task.
    pub fn content(path: &Path) -> impl Fn(CoreError) -> Self + '_ {
        |source| Self::Content { path: path.to_owned(), source }
    }
}

fn suggestion_text(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}
