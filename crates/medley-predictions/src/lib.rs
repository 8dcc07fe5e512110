//! Predictions as people keep them in files, and how they are matched with the truth.
//!
//! Whoever scores predictions is handed files by others: result files of the official evaluator, submissions of a competition,
//! arrays, spreadsheets, whole run folders. Everything here comes from outside, so nothing panics and nothing is silently
//! repaired: what is wrong is named with its line, the first ten of them, and then there is no score.
//!
//! - [`result_file`]: the standard files of the benchmark and what their names say; [`ScoreTable`] and [`label_file`] read what else
//!   holds scores and labels.
//! - [`submission`]: the competition's file, read and written.
//! - [`of_seeds`]: the probabilities of each seed of a run, without their truth.
//! - [`folds`]: the runs of all folds of a recipe as one predictor, with out-of-fold predictions of every row.
//! - [`record`]: manifest and results of a run folder, read strictly.
//! - [`matching`]: a path and a [`TruthSource`] in, [`Prediction`](medley_metrics::scorecard::Prediction)s out, ready to be scored.
//!
//! Where true labels come from is not known here: the trait [`TruthSource`] has three methods, and the program implements them with
//! its data folder. So the crate needs no data set and no network, and a report can use it.
//!
//! ```
//! use medley_predictions::{ScoreTable, result_file};
//!
//! let name = result_file::parse_name("breastmnist_test_[AUC]0.901_[ACC]0.863@mine.csv").expect("a standard name");
//! assert_eq!((name.flag.as_str(), name.run.as_str()), ("breastmnist", "mine"));
//! let table = ScoreTable::from_result_file(b"1,0.2,0.8\n0,0.9,0.1\n")?;
//! assert_eq!(table.scores.row(0).to_vec(), [0.9, 0.1]);
//! let error = ScoreTable::from_result_file(b"0,0.2,0.8\n0,0.9,x\n").unwrap_err();
//! assert!(error.to_string().contains("line 2: the score \"x\" is not a finite number"));
//! # Ok::<(), medley_predictions::PredictionError>(())
//! ```

mod error;
pub mod folds;
mod groups;
mod header;
mod input;
pub mod label_file;
mod lines;
pub mod matching;
mod of_seeds;
mod problems;
pub mod record;
pub mod result_file;
mod score_table;
pub mod submission;

pub use error::PredictionError;
pub use folds::FoldsError;
pub use groups::{GroupTable, GroupTableError, Listed};
pub use matching::{MatchRequest, PublishedTask, Truth, TruthSource};
pub use of_seeds::{SeedPredictions, of_seeds};
pub use problems::LineProblem;
pub use record::{RecordError, RunFiles};
pub use score_table::{ScoreTable, TableShape};
pub use submission::{Submission, SubmissionError};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
