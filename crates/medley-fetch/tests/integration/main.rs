//! Downloads from a server of our own.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests look at files as they are")]

mod downloads;
mod server;
