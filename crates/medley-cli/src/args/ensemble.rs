//! `medley ensemble`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use medley_decisions::ensemble::Method;

use super::RunDataFolder;
use super::decide::FittingArguments;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley ensemble runs/resnet9-1 runs/resnet18-1
  medley ensemble runs/resnet9-1 runs/resnet18-1 --method greedy --name both
  medley ensemble runs/resnet9-1 runs/resnet18-1 --test --decide
  medley ensemble runs/cv-fold* --name bagged

The members of a task are all seeds of all runs that have it; the runs must be of the same data files. Weights other than the plain mean \
are fitted on the validation split, scored on rows that they were not fitted on, and taken only if they beat the mean by more than \
chance. The folder NAME-1 (or -2, …) holds ensemble.json and the predictions: on validation, those of each row by weights that were not \
fitted on it. With --decide, decision rules are fitted on these, as `medley decide` does; decisions.json has them, and the submission \
is decided by them.

Runs of all folds (train --all-folds) are one member for each recipe and seed: out-of-fold predictions of every row of training and \
validation to fit on, and the mean of the folds on the test split. A fold that is missing, or was split otherwise, is named and refused.

Without --test, the test split is neither predicted nor opened. With it, test labels are opened once, which ensemble.json records, and \
the submission is written. Choose members by their validation scores: choosing among ensembles by their test scores is selection on \
the test split.")]
#[allow(clippy::struct_excessive_bools, reason = "options of the command line")]
pub struct EnsembleArguments {
    /// Finished runs
    #[arg(required = true, value_name = "RUN")]
    pub members: Vec<PathBuf>,
    /// How members are weighted
    #[arg(long, value_enum, default_value = "mean")]
    pub method: MethodArgument,
    /// Predict and score the test split too, and write the submission
    #[arg(long)]
    pub test: bool,
    /// Fit decision rules too, and decide the submission by those that are accepted
    #[arg(long)]
    pub decide: bool,
    /// Take runs that have no task in common with another too, so that their tasks stand side by side
    #[arg(long)]
    pub collect: bool,
    /// Name of the folder, to which a number is added
    #[arg(long, default_value = "ensemble")]
    pub name: String,
    /// Folder for it
    #[arg(long, default_value = "runs", value_name = "DIR")]
    pub runs: PathBuf,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub fitting: FittingArguments,
    /// Print ensemble.json
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MethodArgument {
    /// All alike
    Mean,
    /// The weights with the least log loss
    Weighted,
    /// Ensemble selection with replacement for macro-F1
    Greedy,
}

impl From<MethodArgument> for Method {
    fn from(method: MethodArgument) -> Self {
        match method {
            MethodArgument::Mean => Self::Mean,
            MethodArgument::Weighted => Self::Weighted,
            MethodArgument::Greedy => Self::Greedy,
        }
    }
}
