//! Pages and texts, made from run folders.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

// The shared run folders draw with it.
use rand as _;

#[path = "../../../medley-predictions/tests/common/mod.rs"]
mod common;
mod gallery;
mod hostile;
mod later;
mod markup;
mod report;
mod snapshots;
