//! Files that are whole or absent, and files of others.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod opening;
mod whole_or_absent;
