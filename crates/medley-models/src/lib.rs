//! Backbones and heads on libtorch, with weights files read strictly.
//!
//! A [`MultiTaskNet`] is one trunk that all tasks share and one linear head per task. It is built from a [`NetConfig`], the
//! tasks of the experiment and a few [`BuildOptions`], and after that it is a function from a batch of images to logits. A
//! batch may mix tasks: [`Segment`]s say which rows belong to which, the trunk runs once over all of them, and each task's
//! rows go through its own head (and, if asked for, its own `BatchNorm`).
//!
//! Three decisions are worth knowing:
//!
//! - **Parameters are PyTorch's**: the names of torchvision, the shapes, and the initial distributions. tch has other ones
//!   (its `BatchNorm` starts with weights from U(0, 1)), so layers are built here, on [`Scope`]s. Each tensor is initialised from a
//!   stream of its own, so adding a task does not change the initial trunk.
//! - **Precision is explicit.** Master weights, `BatchNorm` statistics and logits are fp32. With [`Precision::Bf16`], images
//!   and the weights of products are cast where they are used; libtorch's autocast does nothing on CPUs through tch.
//! - **Errors are values.** The fallible forms of tch's methods are used throughout, and of libtorch's messages the first
//!   line is kept. Running out of memory in a forward pass is an error like another.
//!
//! ```
//! use medley_models::{BuildOptions, MultiTaskNet, NetConfig, Segment, conformance};
//!
//! let tasks = [conformance::task("pathmnist", 9), conformance::task("breastmnist", 2)];
//! let config = NetConfig::default().validated()?;
//! let net = MultiTaskNet::build(&config, &tasks, &BuildOptions::default())?;
//! let images = conformance::noise(0, 8, 3, 28)?;
//! let segments = [Segment { task: 0, start: 0, len: 6 }, Segment { task: 1, start: 6, len: 2 }];
//! let logits = net.forward(&images, &segments, true)?;
//! assert_eq!(logits[0].size(), [6, 9]);
//! assert_eq!(logits[1].size(), [2, 2]);
//! # Ok::<(), medley_models::ModelError>(())
//! ```
//!
//! A new backbone is one file in `backbones/`, one line of its registry and one line of `tests/integration/backbones.rs`,
//! which runs [`conformance::check_backbone`] on it.

mod activation;
pub mod backbones;
mod batch;
pub mod calibration;
mod compute_plan;
mod config;
pub mod conformance;
mod context;
pub mod device;
pub mod environment;
mod error;
pub mod init;
pub mod layers;
mod net;
pub mod onnx;
mod options;
pub mod published;
mod registry;
mod replicas;
mod resize;
mod scope;
mod trace;
pub mod weights;

pub use activation::Activation;
pub use backbones::Backbone;
pub use batch::{image_batch, volume_batch};
pub use compute_plan::ComputePlan;
pub use config::{BackboneConfig, BatchNormScope, NetConfig, ValidatedNet};
pub use context::{Context, Rows, Work};
pub use error::ModelError;
pub use medley_core::{Convolutions, MemoryLayout, Precision};
pub use net::{Inference, MultiTaskNet, Trace};
pub use options::{BuildOptions, Segment};
pub use registry::{BackboneDescription, BackboneSummary, CostPerTask, describe, registry};
pub use resize::resize;
pub use scope::{OwnKernels, Part, Scope};
pub use trace::Traced;
