//! Users' pictures: from the bytes of a file, which may come from anywhere, to the pixels that a network or a data set takes.
//!
//! The only crate that decodes pictures. [`decode`] tells the form by the first bytes and gives a [`Picture`] with [`Note`]s on what was
//! done to it; [`fit()`] brings it to a size; [`input_of`] does both for one input of a model. [`Rules`] say what a file leaves open.
//!
//! Nothing is believed: pixels are counted before they are decoded, decoders may allocate only what the picture needs, threads share a
//! budget of memory, and whatever is refused is a [`PictureError`]. The same bytes and rules give the same pixels on every machine.
//!
//! ```
//! use medley_core::ImageShape;
//! use medley_pictures::{Resizing, Rules, input_of};
//!
//! let mut png = std::io::Cursor::new(Vec::new());
//! image::GrayImage::from_pixel(40, 30, image::Luma([90])).write_to(&mut png, image::ImageFormat::Png)?;
//! let input = input_of(png.get_ref(), ImageShape::flat(28, 28, 1), Resizing::default(), &Rules::default())?;
//! assert_eq!(input.pixels.len(), 28 * 28);
//! assert_eq!(input.notes[0].to_string(), "resized from 30x40 to 28x28");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budget;
mod dicom;
mod error;
mod fit;
mod input;
mod nifti;
mod note;
mod picture;
mod raster;
mod rules;
mod tiff;

use std::path::Path;

use medley_storage::ReadError;

pub use budget::{Budget, Held};
pub use error::PictureError;
pub use fit::{Filter, Fit, Resizing, fit};
pub use input::{Input, input_of, to_input};
pub use note::Note;
pub use picture::Picture;
pub use rules::{Alpha, Frames, MAX_PIXELS, Rules, SixteenBit};

/// Endings of the files that can be read, in lower case.
pub const ENDINGS: [&str; 12] =
    ["png", "jpg", "jpeg", "bmp", "gif", "tif", "tiff", "webp", "dcm", "dicom", "nii", "nii.gz"];

/// Whether the name of a file ends as those of pictures do.
pub fn is_picture(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    ENDINGS.iter().any(|ending| name.strip_suffix(ending).is_some_and(|stem| stem.ends_with('.') && stem.len() > 1))
}

/// A picture, and what was done to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Its pixels.
    pub picture: Picture,
    /// In the order in which it was done.
    pub notes: Vec<Note>,
}

impl Decoded {
    fn of(picture: Picture) -> Self {
        Self { picture, notes: Vec::new() }
    }

    fn with(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }
}

/// Decodes a PNG, JPEG, BMP, TIFF, GIF, WebP, DICOM or NIfTI file; the form is told by its first bytes. Turned by its EXIF orientation;
/// values of DICOM go through its window, and those of NIfTI from the least to the greatest to 0 to 255.
///
/// # Errors
/// What is wrong with it, or what it leaves open that the rules do not decide.
pub fn decode(bytes: &[u8], frames: Frames, rules: &Rules) -> Result<Decoded, PictureError> {
    if bytes.is_empty() {
        return Err(PictureError::Empty);
    }
    if dicom::is_dicom(bytes) {
        return dicom::decode(bytes, frames, rules);
    }
    if nifti::is_nifti(bytes) {
        return nifti::decode(bytes, rules);
    }
    let format = image::guess_format(bytes).map_err(|_| PictureError::Unknown)?;
    raster::decode(bytes, format, frames, rules)
}

/// The bytes of a file: regular, and no more than a picture of the allowed size can need.
///
/// # Errors
/// [`PictureError::NotAFile`], [`PictureError::TooLong`], [`PictureError::Empty`] or what the system says.
pub fn read_file(path: &Path, rules: &Rules) -> Result<Vec<u8>, PictureError> {
    let most = longest(rules);
    let bytes = medley_storage::read_file(path, most).map_err(|error| match error {
        ReadError::NotAFile { .. } => PictureError::NotAFile,
        ReadError::TooLarge { .. } => PictureError::TooLong { most },
        error => PictureError::Unreadable(error.to_string()),
    })?;
    if bytes.is_empty() { Err(PictureError::Empty) } else { Ok(bytes) }
}

/// Bytes of the longest file that is read: no picture needs more than its pixels and what stands beside them.
pub fn longest(rules: &Rules) -> u64 {
    rules.max_pixels.saturating_mul(8).saturating_add(raster::MAX_ASIDE)
}

/// The example in the README runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
