//! From predicted probabilities to decisions that are good for macro-F1, and to averages of many predictors.
//!
//! The official evaluator decides for the largest probability. That is best for accuracy; macro-F1 counts every class alike, and a
//! network that saw one class fifty times as often as another decides for it too often. A few numbers, fitted on rows that the network was
//! not trained on, correct that. Few rows make such a fit worthless or worse, so every rule has to prove itself on rows that it was
//! not fitted on, and the plain rule stays unless the gain is more than chance.
//!
//! - [`Rule`]: adjustment to class frequencies, offsets, cut points on ordered grades, thresholds of labels. [`Temperature`] changes the
//!   probabilities and not the decisions.
//! - [`fit()`]: every rule of a task, cross-fitted, with the interval of its gain and why it was accepted or not.
//! - [`Decision`] and [`Decisions`]: what was accepted, checked, in a documented form that runs and packages carry and apply.
//! - [`ensemble`]: weights for the mean of several predictors, held to the same standard.
//!
//! Everything is a function of what goes in: no tensors, no files, no clock. Test labels have no place here; what is fitted is fitted on
//! validation or out-of-fold rows.
//!
//! ```
//! use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};
//! use medley_decisions::{FitOptions, Rows, fit};
//!
//! let task = TaskSpec {
//!     name: "own".into(),
//!     title: "Own".into(),
//!     kind: TaskKind::Binary,
//!     modality: Modality::Other,
//!     classes: vec!["frequent".into(), "rare".into()],
//!     shape: ImageShape::flat(28, 28, 1),
//!     origin: Origin::User,
//! };
//! // A network that gives the rare class at most 0.4, and does so where it is true.
//! let labels: Vec<u16> = (0..200).map(|row| u16::from(row % 4 == 0)).collect();
//! let rows = labels.iter().flat_map(|&label| if label == 1 { [0.6, 0.4] } else { [0.9, 0.1] });
//! let scores = Scores::new(rows.collect(), 200, 2)?;
//! let labels = Labels::single(labels)?;
//! let fitted = fit(&Rows::new(&task, &labels), &scores, None, &FitOptions::default())?;
//! assert!(fitted.plain_macro_f1 < 0.5 && fitted.macro_f1 == 1.0);
//! assert_eq!(fitted.rule.name(), "prior adjustment"); // one number does it
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod curves;
pub mod decision;
pub mod ensemble;
mod error;
pub mod fit;
mod folds;
mod gain;
mod options;
mod problem;
pub mod record;
mod rows;
pub mod rules;
mod table;
mod tally;

pub use decision::{Decision, Decisions};
pub use error::DecisionError;
pub use fit::{Candidate, Fitted, FittedTemperature, Verdict, fit, macro_f1_of};
pub use gain::Gain;
pub use options::FitOptions;
pub use rows::Rows;
pub use rules::{CutPoints, LogOffsets, Plain, PriorAdjustment, Rule, Temperature, Thresholds};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
