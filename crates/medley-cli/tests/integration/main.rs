//! Subcommands that need no libtorch, as they are typed: what they print, what they write, and how they end.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

// The shared run folders are made with these.
use {csv as _, rand as _};

#[path = "../../../medley-predictions/tests/common/mod.rs"]
mod common;
mod decide;
mod ensemble;
mod folds;
mod lab;
mod program;
mod runs;
mod score;
mod transfer;
