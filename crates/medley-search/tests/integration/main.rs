//! Workers as processes: killed, stopped, many at once.

#![allow(clippy::unwrap_used, reason = "tests")]

mod workers;
