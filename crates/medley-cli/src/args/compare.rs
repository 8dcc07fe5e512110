//! `medley compare`.

use std::path::PathBuf;

use clap::Args;

use super::score::{GroupsArguments, OutputArguments, ResamplingArguments, TruthArguments};

#[derive(Debug, Args)]
#[command(
    after_help = "The first predictions are compared with each of the others, image by image, on the tasks that both have. \
AUC is tested with DeLong's test, or by permutation where no image varies or a class has one, accuracy with McNemar's, other metrics by permutation; p-values are corrected over all \
tasks and pairs of a metric by Holm's method. For a run folder, the ensemble is compared, or the only seed. With --groups, \
whole groups are drawn and exchanged, AUC is tested with Obuchowski's form of DeLong's test, and accuracy by permutation.

Examples:
  medley compare runs/resnet9-1 runs/resnet18-1
  medley compare mine.csv theirs.csv --markdown
  medley compare runs/resnet9-1 runs/resnet18-1 --groups breastmnist=groups.csv"
)]
pub struct CompareArguments {
    /// Result files, submissions, run folders, score files: two or more
    #[arg(required = true, num_args = 2..)]
    pub predictions: Vec<PathBuf>,
    #[command(flatten)]
    pub truth: TruthArguments,
    #[command(flatten)]
    pub drawn: GroupsArguments,
    #[command(flatten)]
    pub resampling: ResamplingArguments,
    #[command(flatten)]
    pub output: OutputArguments,
}
