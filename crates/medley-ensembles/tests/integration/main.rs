//! Ensembles of run folders that are made by hand, with a truth that is known.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

// The shared run folders are made with these.
use {csv as _, rand as _};

mod building;
#[path = "../../../medley-predictions/tests/common/mod.rs"]
mod common;
mod planning;
