//! `medley decide`.

use std::path::PathBuf;

use clap::Args;
use medley_decisions::FitOptions;

use super::RunDataFolder;
use super::score::share;

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  medley decide runs/small-three-1
  medley decide runs/small-three-1 --write --level 0.95
  medley decide runs/cv-fold*

Macro-F1 counts every class alike, and the largest probability is not always its best decision. For each task, rules of a few numbers are \
fitted on the predictions of the validation split: a temperature, an adjustment to the class frequencies of training, an offset for each \
class, cut points on ordered grades, a threshold for each label. Each is scored on rows that it was not fitted on, and accepted only if \
the lower end of the interval of its gain is above 0. No test label is needed. If the run has opened the test split, macro-F1 of \
both rules is shown there too: nothing is chosen by it.

Of the runs of all folds (train --all-folds), the out-of-fold predictions of every row of training and validation are put together, and rules \
are fitted in the same folds. `medley ensemble RUNS --decide` writes such rules beside the predictor that they are for.")]
pub struct DecideArguments {
    /// The run folder, or those of all folds of one recipe
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<PathBuf>,
    /// Write decisions.json into the run folder, in place of an older one
    #[arg(long)]
    pub write: bool,
    #[command(flatten)]
    pub data: RunDataFolder,
    #[command(flatten)]
    pub fitting: FittingArguments,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// How rules and weights are fitted and judged.
#[derive(Debug, Args)]
pub struct FittingArguments {
    /// Level of the one-sided interval whose lower end has to be above 0
    #[arg(long, default_value_t = 0.9, value_parser = share)]
    pub level: f64,
    /// Parts for cross-fitting
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=100))]
    pub folds: u32,
    /// Number of bootstrap resamples
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub resamples: u32,
    /// Random seed of folds and resamples
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

impl FittingArguments {
    pub fn options(&self) -> FitOptions {
        FitOptions {
            folds: self.folds as usize,
            level: self.level,
            resamples: self.resamples as usize,
            seed: self.seed,
            ..FitOptions::default()
        }
    }
}
