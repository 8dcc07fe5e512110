//! Networks, from outside. What looks at a GPU is in `cuda.rs`.
#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "tests may panic")]

mod agreement;
mod backbones;
mod batches;
mod export;
mod im2col;
mod published;
mod replicas;
mod winograd;
