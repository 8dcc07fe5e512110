//! What a trained model is to those who use it.
//!
//! [`Model`] describes the network of one task: classes, input, how pictures get there, how probabilities become labels, and where all
//! of it comes from. It is the checked form of a part of `model.toml`, so whoever holds one need not check it again. [`Classifier`] is
//! what computes: bytes of images go in, an [`Answer`] for each comes out. Who serves, prints or explains knows no more than these.
//!
//! Not for clinical use: [`NOTICE`] goes with every answer that leaves the program.

mod answer;
mod card;
mod classifier;
mod document;
mod error;
mod model;

pub use answer::{Answer, Unlike};
pub use classifier::{Classifier, ClassifierError};
pub use document::{DataKeys, Document, LONGEST, Package, PictureKeys, Task};
pub use error::PackageError;
pub use medley_decisions::Decision;
pub use model::{
    Compute, DataOrigin, KnownAnswer, Licence, Lineage, Model, NumberFormat, TaskMetrics, UnlikeThreshold, Weights,
};

/// What everybody is told who is given an answer.
pub const NOTICE: &str = "Not for clinical use";
