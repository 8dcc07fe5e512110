use std::path::PathBuf;

use medley_storage::{Shown, StorageError};

use crate::RecordError;

/// Why a submission could not be written. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum SubmissionError {
    /// The run has no results yet.
    #[error("`{}` is unfinished: it has no results.json; `medley resume {}` finishes it", Shown(run), Shown(run))]
    Unfinished {
        /// The run folder.
        run: PathBuf,
    },
    /// The run has validation results only.
    #[error(
        "the test split of `{}` is not scored yet: `medley test {}` predicts and scores it",
        Shown(run),
        Shown(run)
    )]
    Untested {
        /// The run folder.
        run: PathBuf,
    },
    /// No task of the run fits a submission.
    #[error("`{}` has no task with one label per image: a submission holds one class index per image", Shown(run))]
    NothingToSubmit {
        /// The run folder.
        run: PathBuf,
    },
    /// The predictions of a task are not there.
    #[error("no test predictions of `{task}` in `{}`: expected a file named {wanted}", Shown(folder))]
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
    #[error("`{}`: {message}", Shown(path))]
    Predictions {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A sample submission cannot be followed.
    #[error("`{}`{}: {message}", Shown(path), line.map_or_else(String::new, |line| format!(", line {line}")))]
    Sample {
        /// The sample.
        path: PathBuf,
        /// 1-based line; `None` means the file as a whole.
        line: Option<u64>,
        /// What is wrong.
        message: String,
    },
    /// The run folder, or a file that was named, cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The file could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
