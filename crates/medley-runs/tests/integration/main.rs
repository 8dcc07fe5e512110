//! Folders of runs: what is said of them, and what is removed.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

// The shared run folders are made with these.
use {csv as _, rand as _};

#[path = "../../../medley-predictions/tests/common/mod.rs"]
mod common;
mod removal;
mod runs;
