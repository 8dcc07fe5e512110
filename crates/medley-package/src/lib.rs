//! What a trained model is to those who use it.
//!
//! [`Model`] describes the network of one task: classes, input, how pictures get there, how probabilities become labels, and where all
//! of it comes from. It is the checked form of a part of `model.toml`, so whoever holds one need not check it again. [`Classifier`] is
//! what computes: bytes of images go in, an [`Answer`] for each comes out. Who serves, prints or explains knows no more than these.
//!
//! ```
//! use medley_package::{Answer, Classifier, ClassifierError, Model, Package};
//!
//! /// Whatever it is shown, it does not know.
//! struct Undecided(Model);
//!
//! impl Classifier for Undecided {
//!     fn model(&self) -> &Model {
//!         &self.0
//!     }
//!
//!     fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError> {
//!         let count = images.len() / self.0.input().len();
//!         self.0.answers(&[0.5, 0.5].repeat(count), &[])
//!     }
//! }
//!
//! let mut classifier = Undecided(Package::example().models()[0].clone());
//! let answers = classifier.classify(&[0; 2 * 28 * 28])?;
//! assert_eq!((answers.len(), answers[0].probabilities.as_slice()), (2, [0.5, 0.5].as_slice()));
//! # Ok::<(), ClassifierError>(())
//! ```
//!
//! Not for clinical use: [`NOTICE`] goes with every answer that leaves the program.

mod answer;
mod card;
mod classifier;
mod document;
mod error;
mod model;

pub use answer::{Answer, Unlike};
pub use classifier::{Classifier, ClassifierError, Explainer, Look};
pub use document::{DataKeys, Document, LONGEST, Package, PictureKeys, Task};
pub use error::PackageError;
pub use medley_decisions::Decision;
pub use model::{
    Compute, DataOrigin, KnownAnswer, Licence, Lineage, Model, NumberFormat, TaskMetrics, UnlikeThreshold, Weights,
};

/// What everybody is told who is given an answer.
pub const NOTICE: &str = "Not for clinical use";

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
