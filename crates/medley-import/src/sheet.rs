//! An RGB sheet to put images and letters on: what contact sheets are made of.
//!
//! ```
//! use medley_core::ImageShape;
//! use medley_import::sheet::Grid;
//!
//! let shape = ImageShape::flat(28, 28, 1);
//! let mut grid = Grid::new(shape, 1, 2, 3)?;
//! grid.place(0, 1, &[200; 784]);
//! let png = grid.into_sheet().to_png()?;
//! assert!(png.starts_with(b"\x89PNG"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use font8x8::UnicodeFonts as _;
use image::ImageError;
use medley_core::ImageShape;

use crate::export::picture::png;

/// Between images: neither black nor white, so that the edges of both are seen.
const GROUND: [u8; 3] = [48, 52, 60];
const LETTERS: [u8; 3] = [235, 235, 235];
/// The longest edge of a sheet, pixels.
const MAX_EDGE: usize = 16_384;
/// Pixels between the images of a grid, and between the slices of a volume.
const GAP: usize = 2;
/// Dots of a letter across and down.
pub(crate) const LETTER: usize = 8;
/// Longer lines of text are cut off.
pub(crate) const MOST_CHARACTERS: usize = 40;

/// A sheet that would be too large to look at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sheet of {width}x{height} pixels is larger than {MAX_EDGE}: take fewer images, or a smaller scale")]
pub struct SheetTooLarge {
    /// Pixels across.
    pub width: usize,
    /// Pixels down.
    pub height: usize,
}

/// An RGB image that things are put on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sheet {
    width: usize,
    height: usize,
    /// `[height, width, 3]`.
    pixels: Vec<u8>,
}

/// A flat image as a part of a volume: its size, and which pixel of the volume stands where.
#[derive(Debug, Clone, Copy)]
struct Slice {
    height: usize,
    width: usize,
    /// Pixels before the first one, from row to row, and from column to column.
    start: usize,
    down: usize,
    right: usize,
}

impl Sheet {
    /// An empty sheet.
    ///
    /// # Errors
    /// [`SheetTooLarge`].
    pub fn new(width: usize, height: usize) -> Result<Self, SheetTooLarge> {
        if width > MAX_EDGE || height > MAX_EDGE {
            return Err(SheetTooLarge { width, height });
        }
        Ok(Self { width, height, pixels: GROUND.repeat(width * height) })
    }

    /// Pixels across.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Puts an image `[height, width, channels]` on the sheet, each pixel a square of `scale`: three channels are red, green and
    /// blue, else the first is shown as grey.
    pub fn picture(&mut self, left: usize, top: usize, shape: ImageShape, pixels: &[u8], scale: usize) {
        let ImageShape { height, width, channels, .. } = shape;
        let whole = Slice { height, width, start: 0, down: width, right: 1 };
        self.slice(left, top, whole, pixels, channels, scale);
    }

    fn slice(&mut self, left: usize, top: usize, slice: Slice, pixels: &[u8], channels: usize, scale: usize) {
        for row in 0..slice.height {
            for column in 0..slice.width {
                let at = (slice.start + row * slice.down + column * slice.right) * channels;
                let values = &pixels[at..at + channels];
                let colour = if let [red, green, blue] = *values { [red, green, blue] } else { [values[0]; 3] };
                self.square(left + column * scale, top + row * scale, scale, colour);
            }
        }
    }

    /// A line of text, at most 40 characters, each dot of a letter a square of `scale`.
    pub fn text(&mut self, left: usize, top: usize, text: &str, scale: usize) {
        for (position, letter) in shortened(text).enumerate() {
            for (row, bits) in glyph(letter).into_iter().enumerate() {
                for column in (0..LETTER).filter(|column| bits >> column & 1 == 1) {
                    let x = left + (position * LETTER + column) * scale;
                    self.square(x, top + row * scale, scale, LETTERS);
                }
            }
        }
    }

    /// What lies outside the sheet is not drawn.
    fn square(&mut self, left: usize, top: usize, edge: usize, colour: [u8; 3]) {
        for y in top..(top + edge).min(self.height) {
            for x in left..(left + edge).min(self.width) {
                let at = 3 * (y * self.width + x);
                self.pixels[at..at + 3].copy_from_slice(&colour);
            }
        }
    }

    /// The sheet as a PNG file.
    ///
    /// # Errors
    /// What the encoder says; not expected.
    pub fn to_png(&self) -> Result<Vec<u8>, ImageError> {
        png(ImageShape::flat(self.height, self.width, 3), &self.pixels)
    }
}

/// Images of one shape in rows and columns. A volume is shown by its three middle slices side by side: seen along depth, along height
/// (depth downwards) and along width (depth downwards).
#[derive(Debug, Clone)]
pub struct Grid {
    sheet: Sheet,
    shape: ImageShape,
    slices: Vec<Slice>,
    scale: usize,
    /// Pixels from cell to cell.
    right: usize,
    down: usize,
}

impl Grid {
    /// An empty grid; each pixel of an image will be a square of `scale`.
    ///
    /// # Errors
    /// [`SheetTooLarge`].
    pub fn new(shape: ImageShape, rows: usize, columns: usize, scale: usize) -> Result<Self, SheetTooLarge> {
        let slices = middle_slices(shape);
        let highest = slices.iter().map(|slice| slice.height).max().unwrap_or(0);
        let right = slices
            .iter()
            .fold(0_usize, |sum, slice| sum.saturating_add(slice.width.saturating_mul(scale).saturating_add(GAP)));
        let down = highest.saturating_mul(scale).saturating_add(GAP);
        let along = |cell: usize, count: usize| cell.saturating_mul(count).saturating_add(GAP);
        let sheet = Sheet::new(along(right, columns), along(down, rows))?;
        Ok(Self { sheet, shape, slices, scale, right, down })
    }

    /// Shows an image in a cell.
    ///
    /// # Panics
    /// When the image has fewer bytes than its shape.
    pub fn place(&mut self, row: usize, column: usize, image: &[u8]) {
        let (top, mut left) = (GAP + row * self.down, GAP + column * self.right);
        for &slice in &self.slices {
            self.sheet.slice(left, top, slice, image, self.shape.channels, self.scale);
            left += slice.width * self.scale + GAP;
        }
    }

    /// What was drawn.
    pub fn into_sheet(self) -> Sheet {
        self.sheet
    }
}

/// The image itself, or three middle slices of a volume.
fn middle_slices(shape: ImageShape) -> Vec<Slice> {
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

/// A text of at most [`MOST_CHARACTERS`]; longer ones end with two dots.
fn shortened(text: &str) -> impl Iterator<Item = char> {
    let long = text.chars().count() > MOST_CHARACTERS;
    let kept = if long { MOST_CHARACTERS - 2 } else { MOST_CHARACTERS };
    text.chars().take(kept).chain(if long { ".." } else { "" }.chars())
}

/// Rows of a letter, the lowest bit at the left; a question mark for what the font lacks.
fn glyph(letter: char) -> [u8; LETTER] {
    let fonts = |letter| font8x8::BASIC_FONTS.get(letter).or_else(|| font8x8::LATIN_FONTS.get(letter));
    fonts(letter).or_else(|| fonts('?')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(shape: ImageShape, scale: usize) -> Sheet {
        let image: Vec<u8> = (0..shape.len()).map(|index| index as u8).collect();
        let mut grid = Grid::new(shape, 1, 1, scale).unwrap();
        grid.place(0, 0, &image);
        grid.into_sheet()
    }

    /// The value of red at a place.
    fn at(sheet: &Sheet, y: usize, x: usize) -> u8 {
        sheet.pixels[(y * sheet.width + x) * 3]
    }

    #[test]
    fn pixels_become_squares_with_ground_around() {
        let sheet = grid(ImageShape::flat(2, 3, 1), 2);
        assert_eq!((sheet.height, sheet.width), (2 * 2 + 4, 3 * 2 + 4));
        assert_eq!([at(&sheet, 1, 2), at(&sheet, 2, 1)], [GROUND[0], GROUND[0]]);
        assert_eq!([at(&sheet, 2, 2), at(&sheet, 3, 3), at(&sheet, 2, 4), at(&sheet, 4, 2)], [0, 0, 1, 3]);
    }

    #[test]
    fn volumes_show_their_three_middle_slices() {
        let sheet = grid(ImageShape::volume(2, 3, 4, 1), 1);
        // 4 + 4 + 3 columns with gaps; the highest slice has 3 rows.
        assert_eq!((sheet.height, sheet.width), (3 + 4, 11 + 2 * GAP + 4));
        // Value = (z * 3 + y) * 4 + x, and the middle is (1, 1, 2).
        assert_eq!([at(&sheet, 2, 2), at(&sheet, 4, 5)], [12, 23]);
        assert_eq!([at(&sheet, 2, 8), at(&sheet, 3, 11)], [4, 19]);
        assert_eq!([at(&sheet, 2, 14), at(&sheet, 3, 16)], [2, 22]);
    }

    #[test]
    fn absurd_sheets_are_refused() {
        let shape = ImageShape::flat(28, 28, 1);
        assert!(Grid::new(shape, 1, 8, 1).is_ok());
        for (rows, columns, scale) in [(usize::MAX, 1, 1), (1, usize::MAX, 64), (1, 1, usize::MAX)] {
            assert!(matches!(Grid::new(shape, rows, columns, scale), Err(SheetTooLarge { .. })));
        }
    }

    #[test]
    fn letters_have_their_shapes_and_long_names_end() {
        // The lowest bit is the left dot.
        assert_eq!(glyph('L')[6], 0b0111_1111);
        assert_eq!(glyph('\u{4e00}'), glyph('?'));
        assert_ne!(glyph('\u{e4}'), glyph('?'));
        assert_eq!(shortened(&"x".repeat(99)).count(), MOST_CHARACTERS);
        assert_eq!(shortened(&"x".repeat(99)).last(), Some('.'));
        let mut sheet = Sheet::new(8, 8).unwrap();
        sheet.text(0, 0, "L", 1);
        assert_eq!([at(&sheet, 6, 0), at(&sheet, 6, 7), at(&sheet, 7, 0)], [LETTERS[0], GROUND[0], GROUND[0]]);
    }
}
