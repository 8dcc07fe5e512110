//! The rules of ARCHITECTURE.md that no compiler checks. Each names what breaks it and where.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod dependencies;
mod documents;
mod layout;
mod sources;
mod words;
