//! The vocabulary of Medley: what a task, an image, a label, a score and a run are.
//!
//! Every other crate speaks to its neighbours in these types, so none of them needs to know how another one works: the
//! reader of `.npz` files produces [`OpenedTask`]s, the augmentation fills buffers from an [`ImageSource`], the metrics
//! compare [`Labels`] with [`Scores`], and the report reads the [`record`]s of a run. The crate does no I/O and knows no
//! tensor; it compiles in seconds and everything depends on it.
//!
//! Two ideas are worth knowing before reading on:
//!
//! - **Test labels are sealed.** Public copies of MedMNIST carry the labels of the test split, and published work has
//!   selected models on them. Opening a task therefore yields [`SealedLabels`], which give their content only in exchange
//!   for a [`ScoringToken`], and a token is made from finished predictions. See [`sealed`].
//! - **Randomness is a function of position.** Nothing draws from a shared generator. [`seed::stream`] gives a fresh
//!   generator for (seed, purpose, position), so a draw does not depend on thread count, batch size or on what was drawn
//!   before, and a resumed run continues exactly.
//!
//! ```
//! use medley_core::{ImageShape, Labels, Modality, Origin, TaskKind, TaskSpec};
//!
//! let task = TaskSpec {
//!     name: "breastmnist".into(),
//!     title: "BreastMNIST".into(),
//!     kind: TaskKind::Binary,
//!     modality: Modality::Ultrasound,
//!     classes: vec!["malignant".into(), "normal, benign".into()],
//!     shape: ImageShape::flat(28, 28, 1),
//!     origin: Origin::Official,
//! };
//! let labels = Labels::single(vec![0, 1, 1])?;
//! task.check_labels(&labels)?;
//! assert_eq!(labels.class_counts(task.classes.len()), vec![1, 2]);
//! # Ok::<(), medley_core::CoreError>(())
//! ```

// Macros of this crate name it from outside.
extern crate self as medley_core;

pub mod compute;
pub mod dataset;
mod error;
pub mod image;
pub mod keys;
pub mod labels;
pub mod layout;
pub mod message;
pub mod names;
pub mod record;
pub mod scores;
pub mod sealed;
pub mod seed;
pub mod statistics;
pub mod task;
pub mod text;

pub use compute::{Convolutions, MemoryLayout, Precision};
pub use dataset::{LabelledImages, OpenedTask, SealedTest};
pub use error::CoreError;
pub use image::{ImageSource, Images};
pub use labels::Labels;
pub use layout::RunLayout;
pub use scores::Scores;
pub use sealed::{ScoringToken, SealedLabels};
pub use task::{COMPETITION_TASKS, ImageShape, Modality, Origin, Split, TaskKind, TaskSpec};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
