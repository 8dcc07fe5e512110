//! Studies of real, tiny trainings.

#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]

mod auto;
mod lab;
mod studies;
mod workers;
