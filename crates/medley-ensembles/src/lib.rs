//! One predictor out of the seeds of several runs.
//!
//! Networks of different seeds, recipes and backbones err on different images, and the mean of their probabilities errs on fewer. Members
//! of a task are all seeds of all runs that have it; tasks may come from different runs, so that one submission can be made of many. Runs of
//! all folds of a recipe are one run: out-of-fold predictions of every row of training and validation, and the mean of the folds on the
//! test split.
//!
//! - [`plan()`]: which seeds are members of which task, and whether the runs are of the same data. It reads no predictions.
//! - [`build()`]: averages the predictions, by weights that were held against the plain mean (`medley_decisions::ensemble`), and writes a
//!   folder that is whole or absent.
//! - [`open_test()`]: predicts and scores the test split too. The opening of its labels is recorded before it happens, as in a run.
//! - [`Record`]: `ensemble.json`, which says all of it.
//!
//! Without [`open_test()`] neither test predictions nor test labels are touched. What is chosen, members and weights, is chosen on
//! validation rows alone.
//!
//! ```
//! use medley_ensembles::{Complete, EnsembleError, plan};
//!
//! assert!(matches!(plan(&[], false, Complete::EveryRepeat), Err(EnsembleError::NoRuns)));
//! ```

mod build;
mod error;
mod members;
mod plan;
mod record;
mod test_split;

pub use build::{Built, Request, Source, build};
pub use error::EnsembleError;
pub use medley_predictions::folds::Complete;
pub use plan::{TaskPlan, plan};
pub use record::{Folds, Member, PredictionFile, Record, TaskEnsemble};
pub use test_split::{open_test, open_test_of};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
