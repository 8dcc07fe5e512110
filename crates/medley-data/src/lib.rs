//! MedMNIST files: what they are, whether they are sound, and what is in them.
//!
//! The crate turns `.npz` files, which may come from anywhere, into [`medley_core::OpenedTask`]s. Reading is guarded: sizes and
//! shapes are checked before anything is allocated, every checksum is verified, and each way in which a file can be wrong has
//! an error of its own that names the path and the member. Test labels leave this crate sealed.
//!
//! - [`registry`] knows the eighteen published sets, in both generations of their files.
//! - [`open_task`] and [`open_file`] read; [`write_npz`] writes.
//! - [`synth`] draws sets of the same shapes, for trying things out where the real ones cannot be had.
//! - [`inspect`] tells what a file is and whether it is what was published.
//! - [`datasheet`] writes a datasheet whose claims are checked against the file.
//! - [`export`] writes images as the medmnist package names them.
//! - [`montage`] draws contact sheets.
//! - [`import`] makes sets of a user's own images.
//! - [`fetch`] downloads, resuming and verifying.
//!
//! ```
//! use medley_core::ImageSource as _;
//! use medley_data::synth::{Rows, SynthOptions, write_set};
//! use medley_data::{OpenOptions, open_task};
//!
//! let folder = tempfile::tempdir()?;
//! let options = SynthOptions { rows: Rows::AtMost(40), ..SynthOptions::default() };
//! write_set(folder.path(), "breastmnist", &options, &medley_storage::RealFs)?;
//!
//! let opened = open_task(folder.path(), "breastmnist", 28, &OpenOptions::default())?;
//! assert_eq!(opened.task.train.images().shape().to_string(), "28x28x1");
//! assert_eq!(opened.record.release.as_deref(), Some("synthetic"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod archive;
mod arrays;
pub mod audit;
pub mod cache;
pub mod datasheet;
mod error;
pub mod export;
pub mod fetch;
pub mod import;
pub mod inspect;
mod labels;
pub mod montage;
mod open;
pub mod registry;
mod shared_file;
pub mod stats;
pub mod synth;
mod write;

pub use archive::hash_file;
pub use cache::CacheUse;
pub use error::DataError;
pub use labels::{SplitLabels, read_labels};
pub use open::{
    OpenOptions, OpenedFile, SYNTHETIC_MEMBER, decode_arrays, open_file, open_named, open_path, open_spec, open_task,
    set_of,
};
pub use registry::{Available, Entry, Registry, available};
pub use write::{Array, write_npz};
