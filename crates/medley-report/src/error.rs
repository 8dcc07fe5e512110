use std::io;
use std::path::PathBuf;

use medley_storage::StorageError;

/// Why a run folder could not be read, or nothing be made of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder has no manifest.
    #[error("`{}` is no run folder: it has no manifest.json", path.display())]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("cannot read `{}`", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file is larger than such a file can be; it was not read.
    #[error("`{}` holds {bytes} bytes, more than the {limit} that such a file may have", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The run was written by a program with other files.
    #[error(
        "`{}` has schema version {found}, this program reads {expected}: use the release of Medley that wrote it",
        path.display()
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u64,
        /// Version understood.
        expected: u32,
    },
    /// A file is not the JSON it should be.
    #[error("`{}`, line {line}, column {column}, key `{key}`: {message}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// Path of the key, such as `seeds[0].test.tasks[1].macro_f1`; `.` is the whole file.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A file can be read, but what it says cannot be.
    #[error("`{}`, `{key}`: {message}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// Path of the key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The run has no results yet.
    #[error("`{}` is unfinished: it has no results.json; `medley resume` goes on with it", run.display())]
    Unfinished {
        /// The run folder.
        run: PathBuf,
    },
    /// The run has validation results only.
    #[error("the test split of `{}` is not scored yet: `medley test {}` predicts and scores it", run.display(), run.display())]
    Untested {
        /// The run folder.
        run: PathBuf,
    },
    /// No task of the run fits a submission.
    #[error("`{}` has no task with one label per image: a submission holds one class index per image", run.display())]
    NothingToSubmit {
        /// The run folder.
        run: PathBuf,
    },
    /// The predictions of a task are not there.
    #[error("no test predictions of `{task}` in `{}`: expected a file named {wanted}", folder.display())]
    NoPredictions {
        /// Task name.
        task: String,
        /// `predictions/`.
        folder: PathBuf,
        /// The pattern looked for.
        wanted: String,
    },
    /// Two files could be the predictions of a task.
    #[error(
        "`{task}` has two files of test predictions, `{first}` and `{second}`: remove the one that is not of this run"
    )]
    AmbiguousPredictions {
        /// Task name.
        task: String,
        /// One file.
        first: String,
        /// The other.
        second: String,
    },
    /// A file of predictions cannot be used.
    #[error("`{}`: {message}", path.display())]
    Predictions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A sample submission cannot be followed.
    #[error("`{}`, line {line}: {message}", path.display())]
    Sample {
        /// The sample.
        path: PathBuf,
        /// 1-based line; 0 means the file as a whole.
        line: u64,
        /// What is wrong.
        message: String,
    },
    /// A section of the report could not be put together.
    #[error("section `{section}` of the report cannot be rendered")]
    Render {
        /// Its id.
        section: String,
        /// What the template said.
        #[source]
        source: askama::Error,
    },
    /// The result could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
