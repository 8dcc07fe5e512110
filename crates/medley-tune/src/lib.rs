//! Studies of experiments: `medley-search` says what is tried and what goes on, `medley-train` trains it.
//!
//! - [`plan`]: `[objective]` of a study. A key of the space that the base experiment lacks, or a value that it refuses, is found before
//!   anything is written, by trying each end of each range, and shown where it stands in the study.
//! - [`study`]: begins a study with its base experiment, and opens one. Both texts are kept in its folder and held to their SHA-256, so
//!   that all workers train the same.
//! - [`Trainer`]: the objective. A trial is an ordinary run folder, or one per seed or fold, inside that of the trial; it reports
//!   epochs to the pruner, and goes on from its checkpoints, whoever has it.
//! - [`confirm()`]: the winner on fresh seeds, against runners-up and the base experiment.
//! - [`auto`]: the whole thing within a time: a default space, a search, networks by what it found.
//!
//! Data are opened once per worker. The test split stays shut: no trial predicts it, and no label of it is opened.
//!
//! ```no_run
//! use std::path::Path;
//! use medley_data::{OpenOptions, Registry};
//! use medley_search::{WorkOptions, work};
//! use medley_storage::RealFs;
//! use medley_train::{session::Session, stop::StopFlag};
//! use medley_tune::{Trainer, study};
//!
//! let session = Session::open("data", OpenOptions::default(), &RealFs);
//! let registry = Registry::builtin();
//! let study = study::begin(Path::new("studies"), "rates", Path::new("rates.toml"), &session, registry)?;
//! let mut trainer = Trainer::new(&study, &session, registry, StopFlag::default())?;
//! work(&study, &mut trainer, WorkOptions::default())?;
//! println!("{:?}", study.status()?.best);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod auto;
mod confirm;
mod error;
mod objective;
mod part;
pub mod plan;
pub mod study;

pub use confirm::{ConfirmOptions, Confirmed, confirm};
pub use error::TuneError;
pub use objective::Trainer;
pub use plan::Plan;
