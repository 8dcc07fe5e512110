//! Reading MedMNIST files: what training needs of data, and nothing else.
//!
//! The crate turns `.npz` files, which may come from anywhere, into [`medley_core::OpenedTask`]s. Reading is guarded: sizes and
//! shapes are checked before anything is allocated, every checksum is verified, and each way in which a file can be wrong has
//! an error of its own that names the path and the member. Test labels leave this crate sealed.
//!
//! - [`registry`] knows the eighteen published sets, in both generations of their files, and a user's own.
//! - [`open_task`], [`open_file`] and [`read_labels`] read; [`set_of`] finds out which set a file holds.
//! - [`cache`] keeps decoded copies of files that do not fit into memory.
//! - [`archive`] is the guarded zip layer below them.
//! - [`write_npz`] and [`NpzWriter`] write.
//!
//! Downloading (`medley-fetch`), generating (`medley-synth`), importing and exporting (`medley-import`) and looking for faults
//! (`medley-audit`) build on this crate.
//!
//! ```
//! use medley_core::ImageSource as _;
//! use medley_data::{Array, OpenOptions, open_task, write_npz};
//!
//! let folder = tempfile::tempdir()?;
//! let (images, labels) = ([7; 2 * 28 * 28], [0, 1]);
//! let names = ["train", "val", "test"].map(|split| [format!("{split}_images"), format!("{split}_labels")]);
//! let mut arrays = Vec::new();
//! for [image, label] in &names {
//!     arrays.push(Array { name: image, shape: &[2, 28, 28], bytes: &images });
//!     arrays.push(Array { name: label, shape: &[2, 1], bytes: &labels });
//! }
//! write_npz(&medley_storage::RealFs, &folder.path().join("breastmnist.npz"), &arrays, true)?;
//!
//! let opened = open_task(folder.path(), "breastmnist", 28, &OpenOptions::default())?;
//! assert_eq!(opened.task.train.images().shape().to_string(), "28x28x1");
//! assert_eq!(opened.record.release, None); // not the published bytes
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod archive;
mod arrays;
pub mod cache;
mod error;
mod file_writer;
mod huge_pages;
mod identify;
mod labels;
pub mod memory;
mod open;
mod options;
mod private_copy;
pub mod registry;
mod shared_file;
mod write;

pub use archive::{SYNTHETIC_MEMBER, hash_file};
pub use cache::CacheUse;
pub use error::DataError;
pub use file_writer::FileWriter;
pub use identify::{file_named, set_by_name, set_of};
pub use labels::{SplitLabels, read_labels};
pub use open::{OpenedFile, decode_arrays, open_file, open_named, open_path, open_spec, open_task};
pub use options::OpenOptions;
pub use registry::{Entry, Registry};
pub use write::{Array, NpzWriter, write_npz};

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
