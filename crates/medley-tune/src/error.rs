use std::path::PathBuf;

use medley_core::text::duration;
use medley_search::SearchError;
use medley_storage::{ReadError, Shown};
use medley_train::TrainError;
use medley_train::config::ConfigError;

/// Why a study could not be begun, opened or worked on.
#[derive(Debug, thiserror::Error)]
pub enum TuneError {
    /// The study: its text, its folder, the disk.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// The base experiment.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Training: data, the disk, libtorch.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// The text of a study cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A study without a base experiment in its folder: not begun by this program.
    #[error("`{}` is a study without a base experiment, so that no run can be made of its trials", Shown(path))]
    NoBase {
        /// Its folder.
        path: PathBuf,
    },
    /// There is a study of this name, of another text.
    #[error(
        "`{}` is another study, begun from another text; give another --name, or continue that one with `medley study work`",
        Shown(path)
    )]
    OtherStudy {
        /// Its folder.
        path: PathBuf,
    },
    /// The folder for results is there already.
    #[error("`{}` exists already, and `medley auto` did not make it; give another --out", Shown(path))]
    OutExists {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was begun by another request.
    #[error(
        "`{}` was begun with another {what}; give the same, and it continues, or another --out, and that begins again",
        Shown(path)
    )]
    OtherRequest {
        /// The folder.
        path: PathBuf,
        /// The option that differs.
        what: &'static str,
    },
    /// What is known of a run of `auto` cannot be read.
    #[error("`{}` is damaged: {problem}; remove the folder, or give another --out", Shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// No network could be trained in the time.
    #[error(
        "a budget of {} is too little for these data and this network: it needs at least {}, and more is better",
        duration(*budget),
        duration(*needed)
    )]
    TooLittleTime {
        /// Seconds that are allowed.
        budget: f64,
        /// Seconds that would be enough, about.
        needed: f64,
    },
    /// The time was over before a network was finished.
    #[error(
        "no network was finished within {}, as the machine was slower than when it was timed; `{}` has what was trained: begin again with \
         more time and another --out",
        duration(*budget),
        Shown(path)
    )]
    NothingFinished {
        /// The folder.
        path: PathBuf,
        /// Seconds that were allowed.
        budget: f64,
    },
    /// No task was named, and no config that names some.
    #[error("name a task, such as --task breastmnist, or a config with --config")]
    NoTasks,
    /// No trial has finished.
    #[error("`{}` has no finished trial that could be run again", Shown(path))]
    NothingToConfirm {
        /// Its folder.
        path: PathBuf,
    },
    /// What is read of a study to be confirmed.
    #[error(transparent)]
    Studies(#[from] medley_studies::StudiesError),
    /// Another version has begun the study, and its trials may have other bits.
    #[error("`{}` was begun by medley {began}, and this is {now}: continue it with that version", Shown(path))]
    OtherVersion {
        /// Its folder.
        path: PathBuf,
        /// The version that began it.
        began: String,
        /// This one.
        now: String,
    },
}

impl TuneError {
    /// Whether the settings of a trial are the cause, so that other trials may well succeed.
    pub(crate) fn is_of_the_trial(&self) -> bool {
        match self {
            Self::Config(_) => true,
            Self::Train(error) => matches!(
                error,
                TrainError::Config(_)
                    | TrainError::Augment(_)
                    | TrainError::Model(_)
                    | TrainError::Memory(_)
                    | TrainError::Diverged { .. }
                    | TrainError::DivergedScores { .. }
            ),
            _ => false,
        }
    }
}
