//! Rules and weights on predictions whose best decisions are known.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod common;
mod decisions;
mod ensembles;
mod fitting;
mod rules;
mod sklearn;
