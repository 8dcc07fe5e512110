//! Transforms, mixing and batches, from outside.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod assembler;
#[path = "../common/mod.rs"]
mod common;
mod properties;
mod transforms;
