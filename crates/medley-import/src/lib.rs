//! Images in and out: a user's own pictures as a data set, data sets as folders of pictures, contact sheets.
//!
//! - [`import`] makes a set of a folder with a sub-folder per class, of a CSV that names files and labels, or of arrays. The set is
//!   then known by its name to every subcommand that is given the data folder.
//! - [`export`] writes the images of a set as the medmnist package names them.
//! - [`montage`] shows images of a set side by side, by class if asked; [`sheet`] is what it draws on.
//!
//! The only crate that decodes users' pictures and writes PNG and GIF. Nothing is written before everything is read and checked, and
//! the same images and options give the same bytes, whatever the number of threads.
//!
//! ```
//! use medley_core::ImageSource as _;
//! use medley_data::{OpenOptions, open_task};
//! use medley_import::import::{ImportOptions, Source, import};
//!
//! let (photos, data) = (tempfile::tempdir()?, tempfile::tempdir()?);
//! for (class, grey) in [("benign", 60), ("malignant", 180)] {
//!     std::fs::create_dir(photos.path().join(class))?;
//!     for index in 0..10 {
//!         let photo = image::GrayImage::from_pixel(40, 30, image::Luma([grey + index]));
//!         photo.save(photos.path().join(class).join(format!("{index}.png")))?;
//!     }
//! }
//! let source = Source::Folder(photos.path().to_owned());
//! let options = ImportOptions::named("moles");
//! let imported = import(&source, data.path(), &options, &medley_storage::RealFs, &|_, _| {})?;
//! assert_eq!(imported.rows, [14, 2, 4]);
//!
//! let opened = open_task(data.path(), "moles", 28, &OpenOptions::default())?;
//! assert_eq!(opened.task.spec.classes, ["benign", "malignant"]);
//! assert_eq!(opened.task.train.images().shape().to_string(), "28x28x1");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
pub mod export;
pub mod import;
pub mod montage;
pub mod sheet;

pub use error::ImportError;

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
