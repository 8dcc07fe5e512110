//! Contact sheets: what a policy or a corruption does, to be looked at.
//!
//! ```
//! use medley_augment::preview::{Draws, policy_sheet};
//! use medley_augment::{Policy, PolicyConfig};
//! use medley_core::{ImageShape, Images, Modality};
//!
//! let images = Images::new(ImageShape::flat(28, 28, 3), 2, (0..2 * 2352).map(|i| (i % 251) as u8).collect())?;
//! let policy = Policy::new(&PolicyConfig::builtin(Modality::Pathology))?;
//! let sheet = policy_sheet(&images, &policy, &Draws { indices: vec![0, 1], draws: 8, seed: 0, zoom: 2 })?;
//! assert_eq!((sheet.height, sheet.to_png()?.starts_with(b"\x89PNG")), (2 * (28 * 2 + 2) + 2, true));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use medley_core::{ImageShape, ImageSource, Modality};

use crate::corruption::{Corruption, CorruptionConfig};
use crate::{AugmentError, Filter, Padding, Plan, Policy, Random, Renderer};

/// Most pixels of a sheet.
const MOST: usize = 64 << 20;
/// Pixels between images.
const GAP: usize = 2;
/// Between images, and around them.
const PAPER: u8 = 255;

/// What to show of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draws {
    /// Images, one per row.
    pub indices: Vec<usize>,
    /// Columns beside the first one, which shows the image as it is. Column `k` is the draw of epoch `k - 1`.
    pub draws: usize,
    /// Seed of the draws, as of training; the task is taken for the first one.
    pub seed: u64,
    /// Each pixel becomes a square of this side, at least 1.
    pub zoom: usize,
}

/// An RGB image of images in rows and columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactSheet {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// `[height, width, 3]`, 0-255.
    pub rgb: Vec<u8>,
}

/// Rows images, columns draws. Of volumes the middle slice is shown, and of channels red, green and blue, or the first as grey.
///
/// # Errors
/// [`AugmentError::NoImage`] or [`AugmentError::SheetSize`].
pub fn policy_sheet(images: &dyn ImageSource, policy: &Policy, draws: &Draws) -> Result<ContactSheet, AugmentError> {
    let shape = images.shape();
    let mut sheet = ContactSheet::new(shape, draws.indices.len(), draws.draws + 1, draws.zoom)?;
    let mut renderer = Renderer::default();
    let mut plan = Plan::new(shape);
    for (row, &index) in draws.indices.iter().enumerate() {
        let image = image(images, index)?;
        sheet.paste(shape, row, 0, draws.zoom, image);
        for draw in 0..draws.draws {
            plan.clear(shape);
            policy.draw(&mut Random::for_sample(draws.seed, draw as u64, 0, index as u32), &mut plan);
            let view = renderer.render(&plan, policy.filter(), policy.padding(), image).to_bytes(shape.channels);
            sheet.paste(shape, row, draw + 1, draws.zoom, &view);
        }
    }
    Ok(sheet)
}

/// One image: rows are the corruptions of its modality, columns the image as it is and severities 1 to 5.
///
/// # Errors
/// As [`policy_sheet`].
pub fn corruption_sheet(
    images: &dyn ImageSource,
    modality: Modality,
    index: usize,
    seed: u64,
    zoom: usize,
) -> Result<ContactSheet, AugmentError> {
    let shape = images.shape();
    let image = image(images, index)?;
    let kinds = Corruption::for_modality(modality);
    let mut sheet = ContactSheet::new(shape, kinds.len(), 6, zoom)?;
    let mut renderer = Renderer::default();
    for (row, &kind) in kinds.iter().enumerate() {
        sheet.paste(shape, row, 0, zoom, image);
        for severity in 1..=5 {
            let transform = CorruptionConfig { kind, severity, modality, probability: 1.0 }.build()?;
            let mut plan = Plan::new(shape);
            transform.draw(&mut Random::for_sample(seed, 0, 0, index as u32), &mut plan);
            let drawn = renderer.render(&plan, Filter::Bilinear, Padding::Reflect, image).to_bytes(shape.channels);
            sheet.paste(shape, row, severity as usize, zoom, &drawn);
        }
    }
    Ok(sheet)
}

fn image(images: &dyn ImageSource, index: usize) -> Result<&[u8], AugmentError> {
    if index < images.len() {
        Ok(images.image(index))
    } else {
        Err(AugmentError::NoImage { index, images: images.len() })
    }
}

impl ContactSheet {
    fn new(shape: ImageShape, rows: usize, columns: usize, zoom: usize) -> Result<Self, AugmentError> {
        crate::config::check("zoom", zoom, 1, 64)?;
        let along = |length: usize, count: usize| {
            length.saturating_mul(zoom).saturating_add(GAP).saturating_mul(count).saturating_add(GAP)
        };
        let (width, height) = (along(shape.width, columns), along(shape.height, rows));
        if width.saturating_mul(height) > MOST {
            return Err(AugmentError::SheetSize { width, height, most: MOST });
        }
        Ok(Self { width, height, rgb: vec![PAPER; width * height * 3] })
    }

    fn paste(&mut self, shape: ImageShape, row: usize, column: usize, zoom: usize, image: &[u8]) {
        let (top, left) = (row * (shape.height * zoom + GAP) + GAP, column * (shape.width * zoom + GAP) + GAP);
        let middle = shape.depth.unwrap_or(1) / 2 * shape.height * shape.width;
        for y in 0..shape.height * zoom {
            let start = ((top + y) * self.width + left) * 3;
            let line = self.rgb[start..start + shape.width * zoom * 3].chunks_exact_mut(3);
            for (x, rgb) in line.enumerate() {
                let pixel = middle + y / zoom * shape.width + x / zoom;
                let values = &image[pixel * shape.channels..][..shape.channels];
                rgb.copy_from_slice(&if let [red, green, blue] = values {
                    [*red, *green, *blue]
                } else {
                    [values[0]; 3]
                });
            }
        }
    }

    /// The sheet as a PNG file.
    ///
    /// # Errors
    /// [`AugmentError::Png`]; not expected.
    pub fn to_png(&self) -> Result<Vec<u8>, AugmentError> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file)
            .write_image(&self.rgb, self.width as u32, self.height as u32, ExtendedColorType::Rgb8)
            .map_err(|error| AugmentError::Png { problem: error.to_string() })?;
        Ok(file)
    }
}
