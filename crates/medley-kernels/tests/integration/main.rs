//! Every kernel against the definition of what it computes.

#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

mod batch_norm;
mod convolution;
