use medley_core::CoreError;
use medley_core::text::plural;
use medley_data::DataError;
use medley_metrics::MetricError;
use medley_models::ModelError;
use medley_predictions::RecordError;
use medley_storage::{ReadError, StorageError};

use crate::checkpoint::CheckpointError;

/// Why training or scoring stopped.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A data file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The config does not fit the data or the network.
    #[error(transparent)]
    Config(#[from] crate::config::ConfigError),
    /// The augmentation of a task.
    #[error(transparent)]
    Augment(#[from] medley_augment::AugmentError),
    /// The network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A metric.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// A checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A file of the run folder.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file of the run folder that is not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What the run folder records of the run.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Carrier types that do not fit.
    #[error(transparent)]
    Core(#[from] CoreError),
    /// The run folder.
    #[error(transparent)]
    RunFolder(#[from] crate::run_folder::RunFolderError),
    /// The weights to start from.
    #[error(transparent)]
    Pretrained(#[from] crate::pretrained::PretrainedError),
    /// The run to begin from.
    #[error(transparent)]
    Parent(#[from] crate::parent::ParentError),
    /// The runs to learn from.
    #[error(transparent)]
    Distill(#[from] crate::distill::DistillError),
    /// Which rows belong together.
    #[error(transparent)]
    Groups(#[from] crate::folds::GroupsError),
    /// There is too little memory.
    #[error(transparent)]
    Memory(#[from] crate::memory::MemoryError),
    /// Something was asked of a run that it does not have.
    #[error("the run has no {what} `{name}`; it has {known}")]
    NotInRun {
        /// `seed` or `task`.
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// One network is asked for, and a later phase has left several.
    #[error("a phase has left networks of their own for {tasks}: name one task at a time (`--task`)")]
    NotOneNetwork {
        /// Those tasks.
        tasks: String,
    },
    /// Probabilities are asked for where only those of softmax are known.
    #[error(
        "{task} was trained with the loss {loss:?}, whose probabilities are not the softmax of the outputs: packages and `medley predict` \
         cannot give them; `medley models export` without `--to` writes the weights, and says how"
    )]
    OtherProbabilities {
        /// The task.
        task: String,
        /// Its loss.
        loss: &'static str,
    },
    /// The test split of a run is asked for before its training has ended.
    #[error("run `{}` is not finished; `medley resume {}` finishes it first", run.display(), run.display())]
    Unfinished {
        /// The run folder.
        run: std::path::PathBuf,
    },
    /// A callback.
    #[error(transparent)]
    Callback(#[from] crate::components::callbacks::CallbackError),
    /// An observer could not write what it saw.
    #[error("{0:#}")]
    Observer(anyhow::Error),
    /// A file of results is there and cannot be used.
    #[error("{0}; move that file away to score again")]
    Results(#[source] RecordError),
    /// A file of predictions is there and cannot be used.
    #[error("cannot use `{}`: {problem}; move it away to score again", path.display())]
    Predictions {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {}", first_line(.0))]
    Torch(#[from] tch::TchError),
    /// The loss or the gradient is not a number, too often in a row.
    #[error(
        "training diverged: the {what} of {} in a row is not finite (seed {seed}, epoch {epoch}, step {step}); \
         a lower `optimizer.learning_rate` usually helps",
        plural(*steps, "step")
    )]
    Diverged {
        /// `loss` or `gradient`.
        what: &'static str,
        /// How many steps.
        steps: usize,
        /// Seed.
        seed: u64,
        /// 1-based.
        epoch: usize,
        /// 1-based in its epoch.
        step: usize,
    },
    /// The network's outputs are not numbers: its parameters have blown up between two checks of the loss.
    #[error(
        "training diverged: the validation scores are not finite (seed {seed}, epoch {epoch}); a lower \
         `optimizer.learning_rate` usually helps"
    )]
    DivergedScores {
        /// Seed.
        seed: u64,
        /// 1-based.
        epoch: usize,
        /// Where it was noticed.
        #[source]
        source: CoreError,
    },
}

/// libtorch's messages carry kilobytes of C++ frames after the first line.
fn first_line(error: &tch::TchError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}
