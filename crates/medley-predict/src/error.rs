//! Why a network cannot be used.

use std::path::PathBuf;

use medley_data::DataError;
use medley_decisions::DecisionError;
use medley_models::ModelError;
use medley_package::{ClassifierError, PackageError};
use medley_predictions::RecordError;
use medley_storage::{ReadError, Shown, StorageError};
use medley_train::TrainError;
use medley_train::config::load::ConfigError;

/// Why a network cannot be taken from a run or a package, or cannot compute.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// A path that is neither.
    #[error(
        "`{}` is neither a run folder (it has no manifest.json) nor a package (it has no model.toml), nor one of the models that come with \
         the program: {known}",
        Shown(path)
    )]
    Neither {
        /// As given.
        path: PathBuf,
        /// The names of those models.
        known: String,
    },
    /// A description that cannot be used.
    #[error("`{}`: {error}", Shown(path))]
    Package {
        /// The package.
        path: PathBuf,
        /// What is wrong.
        #[source]
        error: PackageError,
    },
    /// Weights that are not what the description says.
    #[error("`{}`: {problem}", Shown(path))]
    Weights {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The network says something else than when the package was made.
    #[error(
        "task `{task}`: of the test image the network says {found:?}, and when the package was made it said {expected:?}; \
         weights or program are not what they were"
    )]
    OtherAnswer {
        /// The task.
        task: String,
        /// Probabilities now.
        found: Vec<f32>,
        /// Probabilities then.
        expected: Vec<f32>,
    },
    /// A task that the model does not have, or none where it has several.
    #[error("{what}; it has {known}")]
    Task {
        /// What is wrong.
        what: String,
        /// The tasks that there are.
        known: String,
    },
    /// Something that is to be classified and cannot be.
    #[error("`{}`: {problem}", Shown(path))]
    Input {
        /// As given.
        path: PathBuf,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// A run of a program that did not record what pixels are normalised by.
    #[error(
        "the manifest of run `{run}` does not say what pixels are normalised by: it is of an older program; train it again"
    )]
    NoNormalisation {
        /// The run.
        run: String,
    },
    /// A run folder that cannot be used.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The config of a run.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A record of a run.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The data of a run.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A decision.
    #[error(transparent)]
    Decision(#[from] DecisionError),
    /// The network.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// What it answers.
    #[error(transparent)]
    Classifier(#[from] ClassifierError),
    /// A file that cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file that cannot be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The system has no thread.
    #[error("no thread can be started for the network")]
    Thread(#[source] std::io::Error),
}
