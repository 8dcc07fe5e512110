//! Metrics and their uncertainty, against their definitions and against scikit-learn.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod common;
mod groups;
mod properties;
mod resampling;
mod sklearn;
