//! Many run folders: which there are, how they differ, what they are called, and how they are removed.
//!
//! A run is a folder, and whoever searches for good settings has hundreds of them. This crate reads as little of each as a question
//! needs, and trusts none: a folder may be of a run that is being trained, of one that was killed, of an older program or of
//! somebody else; its files may be damaged, endless or gone a moment later. What cannot be read is said of that run alone and
//! never hides the others.
//!
//! - [`list()`]: an [`Overview`] of each run, from its manifest, its config and its results, in parallel; [`Filter`] and [`sort`] choose
//!   among them.
//! - [`describe`]: everything about one run at a glance.
//! - [`compare`]: what differs between runs: keys of the config, environment, data, and the metrics on the validation split.
//! - [`Tags`]: a file of its own in the run folder, which people may write while the run is trained.
//! - [`Removal`]: a run folder that may be removed was checked before and is hidden in one step; [`Checkpoints`]: what a finished run
//!   no longer needs.
//!
//! Choosing among runs by their scores on the test split is selection on the test split, so nothing here does it by itself: the default
//! order is by date, the score is that of validation, and scores of the test split are compared only where each run has opened it.
//!
//! ```
//! use medley_runs::{Filter, ListOptions, SortKey, list, sort};
//!
//! let runs = tempfile::tempdir()?;
//! std::fs::create_dir(runs.path().join("notes"))?; // not a run
//! std::fs::create_dir(runs.path().join("broken-1"))?;
//! std::fs::write(runs.path().join("broken-1/manifest.json"), "{")?;
//!
//! let mut listing = list(&[runs.path().to_owned()], ListOptions::default())?;
//! listing.runs.retain(|run| Filter::default().admits(run));
//! sort(&mut listing.runs, SortKey::Date, false);
//! assert_eq!(listing.runs.len(), 1);
//! assert!(listing.runs[0].problem.as_deref().unwrap().contains("manifest.json"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod checkpoints;
mod compare;
mod describe;
mod error;
mod find;
mod list;
mod lock;
mod overview;
mod progress;
mod read;
mod removal;
mod settings;
mod size;
mod sort;
mod tags;
mod validation;

pub use checkpoints::{Checkpoint, Checkpoints, Freed};
pub use compare::{Comparison, Differing, MetricRow, compare};
pub use describe::{Described, SeedState, describe};
pub use error::RunsError;
pub use list::{ListOptions, Listing, list};
pub use overview::{Mean, Model, Overview, SeedEpochs, State, TestScore};
pub use removal::{Removal, sweep_removed};
pub use settings::flatten;
pub use sort::{Filter, SortKey, sort};
pub use tags::{TagChange, Tags};
pub use validation::{Selection, ValidationScore};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
