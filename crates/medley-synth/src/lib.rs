//! Synthetic sets of the shapes of all eighteen published ones.
//!
//! The real files cannot always be had: behind a firewall, in continuous integration, before a licence is read. What is
//! generated here has the names, shapes, channels, classes and imbalance of the real sets and resembles their modality: layers for OCT, nuclei
//! and fibres for pathology, lesions that multiply with the grade for fundus photographs. A small convolutional network learns them, a linear
//! model much less, and nobody perfectly. It is no medical data, and says so: the file carries the member `synthetic.npy`, and
//! everything made from it is marked.
//!
//! Image `i` of a split is a function of (seed, set, split, `i`) alone. Generation is therefore parallel and does not depend
//! on threads, splits are independent of each other, and a smaller set is the beginning of a larger one. The arithmetic is that
//! of IEEE 754 only, so that the bits are the same on every machine; [`VERSION`] changes when they do.
//!
//! ```
//! use medley_core::{ImageSource as _, Origin};
//! use medley_data::Registry;
//! use medley_synth::generate;
//!
//! let spec = Registry::builtin().get("retinamnist").unwrap().spec(28, Origin::Synthetic);
//! let set = generate(&spec, [100, 20, 40], 7)?;
//! assert_eq!(set.train.images.len(), 100);
//! assert_eq!(set.train.labels.class_counts(5).iter().sum::<usize>(), 100);
//! // A smaller set is the beginning of a larger one.
//! assert_eq!(generate(&spec, [60, 20, 40], 7)?.train.labels.row(59), set.train.labels.row(59));
//! # Ok::<(), medley_synth::SynthError>(())
//! ```
//!
//! Adding a set: a generator in `generators`, which gets what to show and a stream of numbers, and a line in its table.

mod draws;
mod error;
mod file;
mod generators;
mod raster;
mod set;
mod shapes;
mod volume;

pub use error::SynthError;
pub use file::write_set;
pub use set::{Rows, SynthOptions, SynthSet, SynthSplit, VERSION, generate};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
