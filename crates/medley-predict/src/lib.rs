//! Trained networks at work.
//!
//! A [`Bundle`] is a network with its description: [`Bundle::of_run`] takes it from a run folder, [`Bundle::read`] from a package, and
//! [`Bundle::write`] makes a package of it. [`Bundle::classifier`] starts a [`TorchClassifier`] for one task: a
//! [`Classifier`](medley_package::Classifier) that computes as the run did. [`calibrate`] adds what only the validation images tell: the
//! decision, and from when on an image is called unlike the training images. An [`Ensemble`] is several bundles whose probabilities are
//! averaged, and a [`Predictor`] is either.
//!
//! ```no_run
//! use std::path::Path;
//! use medley_package::Classifier as _;
//! use medley_predict::{Bundle, ComputeOptions};
//!
//! let bundle = Bundle::read(Path::new("breast-1.breastmnist"))?;
//! let mut classifier = bundle.classifier(0, ComputeOptions::default())?;
//! let image = classifier.model().known_image();
//! println!("{:?}", classifier.classify(&image)?[0].top(1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bundle;
mod calibrate;
mod classifier;
mod ensemble;
mod error;
mod gaussian;
mod inputs;
mod network;
mod run;
mod stream;

pub use bundle::{Bundle, MODEL, README, Verified};
pub use calibrate::{FALSE_ALARM_RATE, calibrate};
pub use classifier::TorchClassifier;
pub use ensemble::{ENSEMBLE, Ensemble, Member, Predictor, ensemble_folder};
pub use error::PredictError;
pub use inputs::Inputs;
pub use network::ComputeOptions;
pub use run::{RunSource, TaskChoice};
pub use stream::{Outcome, classify_all};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
