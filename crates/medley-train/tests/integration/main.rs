//! Whole runs, agreement with PyTorch, and the README.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod pytorch;
mod readme;
mod run;
