//! Image transforms, policies by modality, and the batch assembler.
//!
//! A [`PolicyConfig`] lists steps, in TOML or in code. [`Policy::new`] checks it and makes one [`Transform`] of each step. For
//! every image, the steps first *draw*: each notes in a [`Plan`] what is to be done, with numbers from a random stream that
//! belongs to (seed, epoch, task, image) alone. Only then the plan is carried out. Drawing apart from doing has two effects:
//!
//! - **One resampling.** Flips, turns, shifts, rotations and shears add up to one affine [`Map`], so an image is read once,
//!   whatever the number of geometric steps and wherever they stand. Maps that take pixels to pixels (flips, quarter turns,
//!   whole shifts) move bytes and interpolate nothing.
//! - **The same bits, always.** A draw never depends on worker threads, batch size or on what else was drawn.
//!
//! The [`BatchAssembler`] runs policies over any mix of tasks and fills `f32` batches, normalised, channels last, ahead of time:
//!
//! ```
//! use std::sync::Arc;
//! use medley_augment::{AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource};
//! use medley_core::{ImageShape, Images, Modality};
//!
//! let images = Arc::new(Images::new(ImageShape::flat(28, 28, 1), 10, vec![7; 10 * 784])?);
//! let source = TaskSource {
//!     normalisation: Normalisation::measure(images.as_ref()),
//!     policy: PolicyConfig::builtin(Modality::ChestXray),
//!     images,
//! };
//! let options = AssemblerOptions { seed: 0, workers: 1, prefetch: 2, channels: 3 };
//! let assembler = BatchAssembler::new(vec![source], options)?;
//! let requests = (0..5).map(|step| BatchRequest {
//!     epoch: 0,
//!     samples: vec![SampleRef { task: 0, index: 2 * step }, SampleRef { task: 0, index: 2 * step + 1 }],
//! });
//! let mut stream = assembler.stream(requests.collect::<Vec<_>>(), true);
//! while let Some(batch) = stream.next() {
//!     assert_eq!(batch.pixels.len(), 2 * 28 * 28 * 3); // [N, H, W, C]
//!     stream.recycle(batch);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(test)]
mod agreement;
pub mod assembler;
pub mod config;
pub mod conformance;
pub mod corruption;
mod error;
pub mod geometry;
mod kernel;
pub mod mix;
pub mod normalise;
pub mod plan;
pub mod planes;
pub mod policy;
pub mod preview;
pub mod random;
pub mod render;
pub mod resize;
pub mod stream;
pub mod transform;
pub mod transforms;
pub mod views;

pub use assembler::{AssemblerOptions, Batch, BatchAssembler, BatchRequest, SampleRef, TaskSource};
pub use config::TransformConfig;
pub use corruption::Corruption;
pub use error::AugmentError;
pub use geometry::{Filter, Map, Padding};
pub use normalise::Normalisation;
pub use plan::Plan;
pub use planes::ImagePlanes;
pub use policy::{Policy, PolicyConfig};
pub use random::Random;
pub use render::{Rendered, Renderer};
pub use resize::{ResizeMethod, Resizer, resize_images};
pub use stream::BatchStream;
pub use transform::Transform;
pub use views::TestTimeView;
