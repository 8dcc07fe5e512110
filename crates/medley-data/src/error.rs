//! What can be wrong with data.

use std::io;
use std::path::{Path, PathBuf};

use medley_core::message::listed;
use medley_core::record::DataRecord;
use medley_core::{CoreError, Origin};
use medley_storage::{ReadError, StorageError};

use crate::Registry;

/// Why a data file could not be used. Every variant names the file, and the member where there is one.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The name is not in the registry.
    #[error("unknown data set `{name}`; `medley data list` shows all{}", suggestion_text(suggestion.as_deref()))]
    UnknownSet {
        /// As given.
        name: String,
        /// The nearest known name.
        suggestion: Option<String>,
    },
    /// The set has no files of this size.
    #[error("`{name}` has no images of size {size}; its sizes are {}", numbers(sizes))]
    UnknownSize {
        /// The set.
        name: String,
        /// As asked for.
        size: usize,
        /// Those there are.
        sizes: Vec<usize>,
    },
    /// There is no such file.
    #[error("no file `{}`{}", path.display(), how_to_get(path, *synthetic_rows))]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
        /// Rows per split of the synthetic file that is wanted in its place, where one is.
        synthetic_rows: Option<usize>,
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
        "`{}` is not a readable .npz archive: {problem}; if it was downloaded, delete it and fetch it again",
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
    #[error("`{}` has an invalid list of members: {problem}", path.display())]
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
    #[error("`{}` is not a valid entry of a data set: {problem}", path.display())]
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

    /// Writing to a path failed, such as on a full disk.
    pub(crate) fn unwritable(path: &Path, source: io::Error) -> Self {
        StorageError::io(path, source).into()
    }

    /// The error about the data of a run: a missing file that was synthetic has to be generated with as many rows.
    #[must_use]
    pub fn of_run(self, records: &[DataRecord]) -> Self {
        let Self::Missing { path, .. } = self else { return self };
        let of_file = |record: &&DataRecord| path.file_name().is_some_and(|name| name == record.file.as_str());
        let synthetic = records.iter().find(of_file).filter(|record| record.task.origin == Origin::Synthetic);
        let synthetic_rows = synthetic.and_then(|record| record.rows.values().max().copied());
        Self::Missing { path, synthetic_rows }
    }

    /// What a file holds does not fit its task.
    pub fn content(path: &Path) -> impl Fn(CoreError) -> Self + '_ {
        |source| Self::Content { path: path.to_owned(), source }
    }
}

/// The commands that make a missing file of a published set, by its name: `pathmnist_64.npz`.
fn how_to_get(path: &Path, synthetic_rows: Option<usize>) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if Registry::builtin().by_file_name(&name).is_none() {
        return String::new();
    }
    let set = name.trim_end_matches(".npz");
    let folder = path.parent().filter(|folder| *folder != Path::new("data"));
    let folder = folder.map_or_else(String::new, |folder| format!(" --data {}", shell_word(folder)));
    match synthetic_rows {
        None => format!(
            "; `medley data fetch {set}{folder}` downloads it, `medley data synth {set}{folder}` generates a synthetic one"
        ),
        Some(rows) => format!("; the run used a synthetic one: `medley data synth {set} --rows {rows}{folder}`"),
    }
}

/// A path as a shell reads it.
fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/._-+~,:@%".contains(c);
    match text.as_ref() {
        "" => ".".to_owned(),
        text if text.chars().all(plain) => text.to_owned(),
        text => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

fn numbers(sizes: &[usize]) -> String {
    sizes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn suggestion_text(suggestion: Option<&str>) -> String {
    suggestion.map_or_else(String::new, |name| format!("; did you mean `{name}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hint_for_a_missing_file_is_for_that_file() {
        let missing = |path: &str| DataError::Missing { path: path.into(), synthetic_rows: None }.to_string();
        let text = missing("data/pathmnist_64.npz");
        assert!(text.contains("`medley data fetch pathmnist_64`") && text.contains("`medley data synth pathmnist_64`"));
        assert!(missing("my data/pathmnist.npz").contains("`medley data fetch pathmnist --data 'my data'`"));
        assert!(missing("pathmnist.npz").contains("`medley data fetch pathmnist --data .`"));
        assert_eq!(missing("data/mine.npz"), "no file `data/mine.npz`");
        let of_run = DataError::Missing { path: "data/pathmnist.npz".into(), synthetic_rows: Some(400) };
        assert!(of_run.to_string().ends_with("`medley data synth pathmnist --rows 400`"), "{of_run}");
    }
}
