//! From a run on small synthetic sets to answers.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod packages;
mod pictures;
mod run;
