use std::path::PathBuf;

use medley_storage::Shown;

/// Why runs are not all folds of recipes.
#[derive(Debug, thiserror::Error)]
pub enum FoldsError {
    /// A run without folds among others.
    #[error(
        "`{}` has no folds, but other runs have: name runs of folds alone, or runs without folds alone",
        Shown(run)
    )]
    Unfolded {
        /// The run folder.
        run: PathBuf,
    },
    /// Runs whose rows were not split alike.
    #[error(
        "`{}` and `{}` were not split alike: {problem}; name folds of one way of splitting",
        Shown(first),
        Shown(other)
    )]
    Splits {
        /// One run folder.
        first: PathBuf,
        /// The other.
        other: PathBuf,
        /// How they differ.
        problem: String,
    },
    /// A fold that none of the runs is validated on.
    #[error(
        "fold {fold} of {count} (repeat {repeat}) of the recipe of `{}` is missing, and its rows have no out-of-fold predictions; name its \
         run too, or train it: `medley train CONFIG --all-folds` trains those that are not there",
        Shown(run)
    )]
    Missing {
        /// A run of the recipe.
        run: PathBuf,
        /// The fold, from 0.
        fold: usize,
        /// Of which way of splitting.
        repeat: u64,
        /// How many there are.
        count: usize,
    },
    /// A fold that two runs of a recipe are validated on.
    #[error(
        "`{}` and `{}` are both fold {fold} (repeat {repeat}) of one recipe; leave one of them out",
        Shown(first),
        Shown(other)
    )]
    Twice {
        /// The fold, from 0.
        fold: usize,
        /// Of which way of splitting.
        repeat: u64,
        /// One run folder.
        first: PathBuf,
        /// The other.
        other: PathBuf,
    },
    /// Two runs were made with different data.
    #[error(
        "`{}` and `{}` were made with different data for `{task}`: {problem}; name folds of the same file",
        Shown(first),
        Shown(other)
    )]
    Data {
        /// Task name.
        task: String,
        /// One run folder.
        first: PathBuf,
        /// The other.
        other: PathBuf,
        /// How they differ.
        problem: String,
    },
    /// The rows of the folds are not all rows, once each.
    #[error("the folds of `{task}` do not fit each other: {problem}; they were not split alike, or a file has changed")]
    Rows {
        /// Task name.
        task: String,
        /// Which rows, and of which runs.
        problem: String,
    },
    /// A file of a run folder that cannot be used.
    #[error("`{}` cannot be taken as a fold: {problem}", Shown(run))]
    Damaged {
        /// The run folder.
        run: PathBuf,
        /// What is wrong.
        problem: String,
    },
}
