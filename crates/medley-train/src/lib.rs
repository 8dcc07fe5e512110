//! Experiments: from a config and a folder of data to a run folder.
//!
//! The crate is a short pipeline of parts that are tested alone. [`config`] reads and checks what was written; [`data`] parts
//! the opened sets into what learning may see and what scoring may see; [`sampler`] is a pure function of the position in a run;
//! [`components`] are what configs choose by name: losses, optimizers, schedules, selections, and the callbacks that may act on
//! training; [`engine`] puts them together for one seed; [`run`] runs all seeds and writes the results; a [`session`] starts
//! runs, many on the same data if that is wanted; [`pretrained`] and [`export`] are the ways in and out for weights. The
//! loop itself knows no file and no progress bar: it says [`Event`](medley_core::record::Event)s to [`observer`]s, and those
//! write, show or count.
//!
//! Three promises shape it:
//!
//! - **Same config, data, seed, machine and libtorch: same bits.** Every random number is a function of its position, so nothing
//!   depends on the clock, on loader threads or on where a run was interrupted. [`checkpoint`]s hold whatever else there is.
//!   The clock decides once: what a config leaves open of how to compute is chosen by trying, and recorded ([`compute`]).
//! - **Test labels are opened once.** [`scoring`] holds the only call that opens them, in exchange for predictions that are
//!   written, and the manifest records each opening.
//! - **What is refused leaves nothing behind.** Config, device and data are checked before a run folder is made.
//!
//! ```no_run
//! use std::path::Path;
//! use medley_data::{OpenOptions, Registry};
//! use medley_storage::RealFs;
//! use medley_train::config::Experiment;
//! use medley_train::run::RunEnd;
//! use medley_train::session::{RunRequest, Session};
//! use medley_train::{observer::Observers, stop::StopFlag};
//!
//! let path = Path::new("configs/small-three.toml");
//! let experiment = Experiment::load(path, &["train.epochs=2".into()], Registry::builtin())?;
//! let config_text = experiment.to_toml();
//! let request = RunRequest {
//!     experiment: &experiment,
//!     config_text: &config_text,
//!     runs_folder: Path::new("runs"),
//!     run_name: None,
//!     no_test: false,
//!     parent: None,
//! };
//! let session = Session::open("data", OpenOptions::default(), &RealFs);
//! let run = session.start(&request)?;
//! if let RunEnd::Finished(results) = run.train(Observers::default(), &StopFlag::default())? {
//!     println!("{:?}", results.summary);
//! }
//! # Ok::<(), anyhow::Error>(())
//! ```

pub mod checkpoint;
pub mod components;
pub mod compute;
pub mod config;
pub mod data;
pub mod distill;
pub mod dry_run;
pub mod engine;
mod error;
pub mod export;
pub mod folds;
pub mod fraction;
pub mod memory;
pub mod observer;
pub mod parent;
pub mod phases;
pub mod pretrained;
pub mod run;
pub mod run_folder;
pub mod sampler;
pub mod scoring;
pub mod session;
pub mod stop;

pub use error::TrainError;
