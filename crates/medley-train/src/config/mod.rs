//! Experiments as TOML: what may be written, how files are layered, and what is checked.
//!
//! [`schema`] declares the tables: [`RawExperiment`] is what serde reads. [`Experiment`] is what was checked, with the device,
//! the network and the policies parsed, and the only one that the rest of the crate accepts: after it, nothing about a config can
//! fail but what needs the data or the network to be seen. [`load`] is the mechanism: `extends`, `--set`, and errors that show
//! file, line and key. [`Rules`] are what a config does not say and versions do differently. [`document`] makes the lists of keys
//! in documentation from the declarations.

mod checks;
pub mod document;
mod experiment;
pub mod load;
mod rules;
pub mod schema;
pub(crate) mod upgrade;

pub use experiment::Experiment;
pub(crate) use experiment::recorded;
pub use load::ConfigError;
pub use rules::Rules;
pub use schema::RawExperiment;
