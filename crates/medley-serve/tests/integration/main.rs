//! The server without a network, and with one on loopback.

mod client;
mod fake;

mod batches;
mod hostile;
mod pictures;
mod protocol;
mod stopping;
