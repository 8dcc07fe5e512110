//! The rules of ARCHITECTURE.md that no compiler checks: each names what breaks it and where. The scripts too: all that is here
//! needs neither libtorch nor the program, and is a program of its own, which `scripts/test --quick` runs.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod dependencies;
mod documents;
mod layout;
mod scripts;
mod sources;
mod words;
