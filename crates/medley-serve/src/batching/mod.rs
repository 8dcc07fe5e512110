//! Single requests, computed in batches.
//!
//! Each model has a [`Queue`], and threads that take from it, each of which owns a classifier: [`worker`]. When a batch is computed is decided in
//! [`policy`], which knows no clock and no lock.

mod policy;
mod queue;
mod worker;

pub use policy::Batching;
pub(crate) use queue::{Failure, Queue, Refusal};
pub(crate) use worker::start;
