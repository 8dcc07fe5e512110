//! Files of data sets, good and bad, and what is kept of them.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod cache;
mod hostile;
mod numpy;
