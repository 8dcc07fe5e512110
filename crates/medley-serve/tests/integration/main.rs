//! The server without a network, and with one on loopback.

#![allow(clippy::unwrap_used, reason = "tests")]

mod client;
mod fake;

mod batches;
mod hostile;
mod pictures;
mod protocol;
mod replicas;
mod stopping;
