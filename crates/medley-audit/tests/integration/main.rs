//! The audit and the datasheet, from outside.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod audit;
mod datasheet;
mod real_data;
