use std::error::Error;
use std::path::PathBuf;

use medley_core::message::then_in;
use medley_core::{CoreError, Split};
use medley_metrics::MetricError;
use medley_npy::NpyError;
use medley_storage::{ReadError, Shown};

use crate::problems::describe;
use crate::{FoldsError, LineProblem, RecordError};

/// Why predictions or labels cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// Lines of a file, the first ten.
    #[error("{}", describe(problems, *more))]
    Lines {
        /// What is wrong, in the order found.
        problems: Vec<LineProblem>,
        /// Lines that are wrong beyond these.
        more: usize,
    },
    /// A file as a whole.
    #[error("{problem}")]
    File {
        /// What is wrong.
        problem: String,
    },
    /// A file cannot be read.
    #[error("cannot read `{}`", Shown(path))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file that a user named cannot be opened or read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file without a byte.
    #[error("`{}` is empty (0 bytes)", Shown(path))]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A file is larger than what it should hold can be; it was not read.
    #[error(
        "`{}` holds {bytes} bytes, but {what} take at most {limit}: it is something else, or of another split or task",
        Shown(path)
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
        /// What it should hold, such as `scores of 156 images and 2 classes`.
        what: String,
    },
    /// The data folder holds another file than the one that a run was made with.
    #[error(
        "`{}` was made with another `{file}` than that of the data folder: {problem}; point --data to the files of the \
         run{}, or give --allow-other-data to score against these", Shown(run), then_in(made_in.as_deref())
    )]
    OtherData {
        /// The run folder.
        run: PathBuf,
        /// Name of the data file.
        file: String,
        /// How they differ.
        problem: String,
        /// The data folder of the run, as far as its manifest says.
        made_in: Option<String>,
    },
    /// The request does not say what is needed, or contradicts itself.
    #[error("{message}")]
    Request {
        /// What to ask for instead.
        message: String,
    },
    /// A run has no predictions of a split yet.
    #[error(
        "`{run}` has no predictions of the {split} split: {}, and `medley {} {run}` {}",
        if *unfinished { "it is unfinished" } else { "it was trained with --no-test" },
        if *unfinished { "resume" } else { "test" },
        if *unfinished { "continues it" } else { "predicts and scores it; `--split val` takes those of the validation split" },
        run = Shown(run)
    )]
    NotPredicted {
        /// The run folder.
        run: PathBuf,
        /// The split that was asked for.
        split: Split,
        /// Whether it is still to be trained.
        unfinished: bool,
    },
    /// The predictions of a seed of a run cannot be used.
    #[error(
        "seed {seed} of `{}` has no usable predictions of `{task}` ({split}): {problem}; train it again, or leave the run out",
        Shown(run)
    )]
    NotOfSeed {
        /// The run folder.
        run: PathBuf,
        /// Task name.
        task: String,
        /// Which split.
        split: Split,
        /// The seed.
        seed: u64,
        /// What is wrong.
        problem: String,
    },
    /// A name that is no task, and nothing that says how to read its labels.
    #[error("to score a task of your own, say how `{task}` is labelled (--kind) and give --labels")]
    UnknownTask {
        /// As given.
        task: String,
        /// What the source of the truth says of the name.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The true labels could not be had.
    #[error("no true labels for `{task}`")]
    Truth {
        /// Task name.
        task: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// Predictions of one release are not to be compared with the labels of another.
    #[error(
        "the {what} of `{task}` of MedMNIST {theirs}, but the data folder has MedMNIST {ours}, which has other splits, so they are \
         not scored; `medley data fetch --help` explains the releases"
    )]
    OtherRelease {
        /// `predictions are` or `submission is`.
        what: &'static str,
        /// Task name.
        task: String,
        /// Release of the predictions.
        theirs: String,
        /// Release of the labels.
        ours: String,
        /// The numbers of rows.
        #[source]
        source: Box<PredictionError>,
    },
    /// Scores that are no probabilities, such as logits.
    #[error(
        "the scores are not probabilities; --any-scores accepts them and leaves out the metrics that need probabilities"
    )]
    NotProbabilities {
        /// The lines.
        #[source]
        source: Box<PredictionError>,
    },
    /// Something is wrong with one of several files.
    #[error("cannot {doing} `{}`", Shown(path))]
    InFile {
        /// `score`, or `use the labels in`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<PredictionError>,
    },
    /// An array that cannot be used.
    #[error("no usable .npy array: {0}")]
    Npy(#[from] NpyError),
    /// Predictions and labels do not fit each other.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Values that no prediction or label has.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The manifest of a run folder.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Runs of folds that do not fit each other.
    #[error(transparent)]
    Folds(#[from] FoldsError),
}

impl PredictionError {
    /// Says which file it was about.
    pub(crate) fn in_file(self, doing: &'static str, path: impl Into<PathBuf>) -> Self {
        Self::InFile { doing, path: path.into(), source: Box::new(self) }
    }
}
