//! Experiments as TOML: what may be written, how files are layered, and what is checked.
//!
//! [`schema`] holds the two types of a config: [`RawExperiment`] is what serde reads, [`Experiment`] is what was checked and
//! the only one that the rest of the crate accepts. [`load`] is the mechanism: `extends`, `--set`, and errors that name
//! file, line and key.

pub mod load;
pub mod schema;

pub use schema::{Experiment, RawExperiment, SchemaError};
