//! Search for good settings: what is searched, how points are chosen, which trials go on, and a folder that workers share.
//!
//! - [`space`]: for each key the values it may take, and when it is there; read from TOML, with the place of whatever is wrong.
//! - [`sampler`]: grid, random, Sobol, tree-structured Parzen estimator, Gaussian process. A proposal is a function of the seed, the
//!   number of the trial and the trials that were seen.
//! - [`pruner`]: median, successive halving, ASHA, Hyperband, patience. A verdict is a function of what trials have reported.
//! - [`study`]: the folder, and the worker that takes trials from it. It is the only module that reads or writes.
//!
//! What a trial is evaluated by, an [`Objective`], is not this crate's concern: it knows no experiment, no data and no tensor.
//!
//! ```
//! use medley_search::{Evaluation, Objective, Study, Trial, Verdict, WorkOptions, work};
//!
//! /// Four epochs of a made-up training, whose loss depends on the learning rate.
//! struct Training;
//!
//! impl Objective for Training {
//!     fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
//!         let rate = trial.settings["optimizer.learning_rate"].as_float().ok_or("no learning rate")?;
//!         let loss = |epoch: u64| (rate.log10() + 2.5).powi(2) + 1.0 / epoch as f64;
//!         for epoch in 1..=4 {
//!             if report(epoch, loss(epoch)) != Verdict::Continue {
//!                 return Ok(Evaluation::Stopped);
//!             }
//!         }
//!         Ok(Evaluation::Finished(loss(4)))
//!     }
//! }
//!
//! let studies = tempfile::tempdir()?;
//! let text = r#"
//!     direction = "minimize"
//!     [budget]
//!     trials = 20
//!     [pruner]
//!     name = "median"
//!     [space]
//!     "optimizer.learning_rate" = { log = [1e-5, 1.0] }
//! "#;
//! let study = Study::create(studies.path(), "rates", "rates.toml".as_ref(), text)?;
//! // Any number of processes may do this at the same time, and may be killed while they do.
//! work(&study, &mut Training, WorkOptions::default())?;
//! let best = study.status()?.best.expect("a trial has finished");
//! assert!(best.value < 0.5);
//! // Every point can be derived again from what its sampler saw.
//! assert_eq!(study.derive(best.number)?, Some(best.point));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod digest;
mod document;
mod error;
mod place;
pub mod pruner;
pub mod sampler;
pub mod space;
pub mod study;

pub use error::SearchError;
pub use place::Place;
pub use pruner::{History, Pruner, PrunerConfig, TrialState, Verdict};
pub use sampler::{Ask, Direction, Observation, Outcome, Sampler, SamplerConfig};
pub use space::{Condition, Dimension, Domain, Point, Space};
pub use study::{
    Best, Clock, Evaluation, Objective, Reason, Status, Study, StudyDefinition, Trial, TrialRecord, Work, WorkOptions,
    work,
};
/// What points are made of.
pub use toml::Value;

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
