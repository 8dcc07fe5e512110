//! Contact sheets: what a policy or a corruption does, to be looked at.
//!
//! ```
//! use medley_augment::preview::{Draws, policy_sheet};
//! use medley_augment::{Policy, PolicyConfig};
//! use medley_core::{ImageShape, Images, Modality};
//!
//! let images = Images::new(ImageShape::flat(28, 28, 3), 2, (0..2 * 2352).map(|i| (i % 251) as u8).collect())?;
//! let policy = Policy::new(&PolicyConfig::builtin(Modality::Pathology))?;
//! let sheet = policy_sheet(&images, &policy, &Draws { indices: vec![0, 1], draws: 8, seed: 0, task: 0, zoom: 2 })?;
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
/// Pixels between images, and between the slices of a volume.
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
    /// Seed of the draws, as of training.
    pub seed: u64,
    /// Position of the task among those of the training, on which draws depend too.
    pub task: usize,
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

/// Rows images, columns draws. Of volumes the three middle slices are shown side by side: seen along depth, along height (depth
/// downwards), and along width (depth downwards); of channels red, green and blue, or the first as grey.
///
/// # Errors
/// [`AugmentError::NoImage`], [`AugmentError::SheetSize`], or [`AugmentError::OutOfRange`] for the zoom.
pub fn policy_sheet(images: &dyn ImageSource, policy: &Policy, draws: &Draws) -> Result<ContactSheet, AugmentError> {
    let shape = images.shape();
    let mut sheet = ContactSheet::new(shape, draws.indices.len(), draws.draws.saturating_add(1), draws.zoom)?;
    let mut renderer = Renderer::default();
    let mut plan = Plan::new(shape);
    for (row, &index) in draws.indices.iter().enumerate() {
        let image = image(images, index)?;
        sheet.paste(shape, row, 0, draws.zoom, image);
        for draw in 0..draws.draws {
            plan.clear(shape);
            policy.draw(&mut Random::for_sample(draws.seed, draw as u64, draws.task, index), &mut plan);
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
            transform.draw(&mut Random::for_sample(seed, 0, 0, index), &mut plan);
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

/// One slice as it is shown: its size, and which pixel of the volume stands where.
#[derive(Debug, Clone, Copy)]
struct Slice {
    height: usize,
    width: usize,
    /// Pixels before the first one, from row to row, and from column to column.
    start: usize,
    down: usize,
    right: usize,
}

/// The image itself, or three middle slices of a volume.
fn slices(shape: ImageShape) -> Vec<Slice> {
    let ImageShape { height, width, .. } = shape;
    let flat = Slice { height, width, start: 0, down: width, right: 1 };
    let Some(depth) = shape.depth else { return vec![flat] };
    let area = height * width;
    vec![
        Slice { start: depth / 2 * area, ..flat },
        Slice { height: depth, width, start: height / 2 * width, down: area, right: 1 },
        Slice { height: depth, width: height, start: width / 2, down: area, right: width },
    ]
}

impl ContactSheet {
    fn new(shape: ImageShape, rows: usize, columns: usize, zoom: usize) -> Result<Self, AugmentError> {
        crate::config::check("zoom", zoom, 1, 64)?;
        let (cell_height, cell_width) = cell(shape, zoom);
        let along = |cell: usize, count: usize| cell.saturating_add(GAP).saturating_mul(count).saturating_add(GAP);
        let (width, height) = (along(cell_width, columns), along(cell_height, rows));
        if width.saturating_mul(height) > MOST {
            return Err(AugmentError::SheetSize { width, height, most: MOST });
        }
        Ok(Self { width, height, rgb: vec![PAPER; width * height * 3] })
    }

    /// Shows an image in a cell.
    fn paste(&mut self, shape: ImageShape, row: usize, column: usize, zoom: usize, image: &[u8]) {
        let (cell_height, cell_width) = cell(shape, zoom);
        let top = row * (cell_height + GAP) + GAP;
        let mut left = column * (cell_width + GAP) + GAP;
        for slice in slices(shape) {
            self.paste_slice(slice, [top, left], zoom, image, shape.channels);
            left += slice.width * zoom + GAP;
        }
    }

    fn paste_slice(&mut self, slice: Slice, [top, left]: [usize; 2], zoom: usize, image: &[u8], channels: usize) {
        for y in 0..slice.height * zoom {
            let start = ((top + y) * self.width + left) * 3;
            let line = self.rgb[start..start + slice.width * zoom * 3].chunks_exact_mut(3);
            for (x, rgb) in line.enumerate() {
                let pixel = slice.start + y / zoom * slice.down + x / zoom * slice.right;
                let values = &image[pixel * channels..][..channels];
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

/// Height and width of what shows one image.
fn cell(shape: ImageShape, zoom: usize) -> (usize, usize) {
    let slices = slices(shape);
    let height = slices.iter().map(|slice| slice.height).max().unwrap_or(0);
    let width = slices.iter().fold(0_usize, |sum, slice| sum.saturating_add(slice.width.saturating_mul(zoom)));
    (height.saturating_mul(zoom), width.saturating_add(GAP * (slices.len() - 1)))
}

#[cfg(test)]
mod tests {
    use medley_core::Images;

    use super::*;
    use crate::PolicyConfig;

    fn sheet(shape: ImageShape, zoom: usize) -> ContactSheet {
        let images = Images::new(shape, 1, (0..shape.len()).map(|index| index as u8).collect()).unwrap();
        let policy = Policy::new(&PolicyConfig::none()).unwrap();
        policy_sheet(&images, &policy, &Draws { indices: vec![0], draws: 0, seed: 0, task: 0, zoom }).unwrap()
    }

    /// The value shown at a place.
    fn at(sheet: &ContactSheet, y: usize, x: usize) -> u8 {
        sheet.rgb[(y * sheet.width + x) * 3]
    }

    #[test]
    fn pixels_become_squares_with_paper_around() {
        let sheet = sheet(ImageShape::flat(2, 3, 1), 2);
        assert_eq!((sheet.height, sheet.width), (2 * 2 + 4, 3 * 2 + 4));
        assert_eq!([at(&sheet, 1, 2), at(&sheet, 2, 1)], [PAPER, PAPER]);
        assert_eq!([at(&sheet, 2, 2), at(&sheet, 3, 3), at(&sheet, 2, 4), at(&sheet, 4, 2)], [0, 0, 1, 3]);
    }

    #[test]
    fn volumes_show_their_three_middle_slices() {
        let sheet = sheet(ImageShape::volume(2, 3, 4, 1), 1);
        // 4 + 4 + 3 columns with gaps; the highest slice has 3 rows.
        assert_eq!((sheet.height, sheet.width), (3 + 4, 11 + 2 * GAP + 4));
        // Value = (z * 3 + y) * 4 + x, and the middle is (1, 1, 2).
        assert_eq!([at(&sheet, 2, 2), at(&sheet, 4, 5)], [12, 23]);
        assert_eq!([at(&sheet, 2, 8), at(&sheet, 3, 11)], [4, 19]);
        assert_eq!([at(&sheet, 2, 14), at(&sheet, 3, 16)], [2, 22]);
    }

    #[test]
    fn absurd_sheets_are_refused() {
        let images = Images::new(ImageShape::flat(2, 2, 1), 1, vec![0; 4]).unwrap();
        let policy = Policy::new(&PolicyConfig::none()).unwrap();
        let draw = |indices: Vec<usize>, draws, zoom| {
            policy_sheet(&images, &policy, &Draws { indices, draws, seed: 0, task: 0, zoom }).unwrap_err()
        };
        assert!(matches!(draw(vec![1], 1, 1), AugmentError::NoImage { index: 1, images: 1 }));
        assert!(matches!(draw(vec![0], usize::MAX, 64), AugmentError::SheetSize { .. }));
        assert!(matches!(draw(vec![0], 1, 0), AugmentError::OutOfRange { .. }));
    }
}
