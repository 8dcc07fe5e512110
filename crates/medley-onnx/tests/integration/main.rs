//! Graphs from outside: what is written is read back, and what no runtime would take is refused.
#![allow(clippy::unwrap_used, reason = "tests may panic")]

mod refused;
mod written;
