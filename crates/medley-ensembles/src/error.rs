use std::path::PathBuf;

use medley_core::names::NAME_RULE;
use medley_core::{CoreError, Split};
use medley_decisions::DecisionError;
use medley_metrics::MetricError;
use medley_predictions::{PredictionError, RecordError, SubmissionError};
use medley_storage::{Shown, StorageError};

/// Why an ensemble cannot be made. Nothing is written then.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// No run.
    #[error("no run was named; name one or more finished runs")]
    NoRuns,
    /// A run that was named twice would count twice.
    #[error("`{}` was named twice; name each run once", Shown(run))]
    Twice {
        /// The run folder.
        run: PathBuf,
    },
    /// A run without a task that another one has.
    #[error(
        "`{}` has no task in common with another run; leave it out, or give --collect to put its tasks beside theirs",
        Shown(run)
    )]
    NothingInCommon {
        /// The run folder.
        run: PathBuf,
    },
    /// Two runs were made with different data.
    #[error(
        "`{}` and `{}` were made with different data for `{task}`: {problem}; make an ensemble of runs on the same file",
        Shown(first),
        Shown(other)
    )]
    OtherData {
        /// Task name.
        task: String,
        /// One run folder.
        first: PathBuf,
        /// The other.
        other: PathBuf,
        /// How they differ.
        problem: String,
    },
    /// Members that predict different numbers of images.
    #[error(
        "`{}` and `{}` have {first_rows} and {other_rows} predictions of `{task}` ({split}); make an ensemble of runs on the same file",
        Shown(first),
        Shown(other)
    )]
    Rows {
        /// Task name.
        task: String,
        /// Which split.
        split: Split,
        /// One run folder.
        first: PathBuf,
        /// Its rows.
        first_rows: usize,
        /// The other run folder.
        other: PathBuf,
        /// Its rows.
        other_rows: usize,
    },
    /// The runs are not those that it was made of, or have not predicted alike.
    #[error("the members of `{task}` are not those that the ensemble was made of; make it again")]
    Members {
        /// Task name.
        task: String,
    },
    /// A name that no folder can have.
    #[error("{name:?} cannot be the name of an ensemble: {NAME_RULE}")]
    Name {
        /// As given.
        name: String,
    },
    /// A record that is not JSON, which does not happen.
    #[error("ensemble.json cannot be written: {problem}")]
    Encode {
        /// What the encoder says.
        problem: String,
    },
    /// Predictions that cannot be used.
    #[error(transparent)]
    Prediction(#[from] PredictionError),
    /// Weights that cannot be fitted.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// A run folder that cannot be used.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The submission.
    #[error(transparent)]
    Submission(#[from] SubmissionError),
    /// The disk.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Scores and labels that do not fit each other.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Values that no score has.
    #[error(transparent)]
    Core(#[from] CoreError),
}
