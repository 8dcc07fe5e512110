//! Runs on an [MLflow](https://mlflow.org) server.
//!
//! A run folder is read when it is logged, and not while it trains: a server that is slow or gone costs no run anything, and a run of any age
//! can be logged. [`LoggedRun::read`] says what there is to say, without a network; [`export`] says it to a server through the REST API
//! that MLflow documents.
//!
//! - One MLflow run for each seed, with its curves and scores; of several seeds, a parent with their means, and the seeds below it.
//! - Parameters are the keys of the config. Tags say what data were used, with what version, and whether they were synthetic.
//! - Artifacts are the report, the config, the manifest, the results and the submission, where the server takes them over HTTP.
//! - Times are those of `events.jsonl`, so logging a run again changes nothing: it is found by the tags of its folder, and what was cut
//!   off goes on.
//!
//! ```
//! use medley_mlflow::{Server, ServerOptions};
//!
//! // Nothing listens at port 1.
//! let server = Server::new("http://127.0.0.1:1", ServerOptions::default())?;
//! let message = server.experiment("medley").unwrap_err().to_string();
//! assert!(message.starts_with("cannot reach the MLflow server at `http://127.0.0.1:1`"), "{message}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod export;
mod record;
mod server;

pub use error::MlflowError;
pub use export::{Exported, export};
pub use record::{LoggedRun, Point, Series};
pub use server::{Credentials, Server, ServerOptions};

/// The example of the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
