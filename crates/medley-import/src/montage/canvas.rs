//! An RGB sheet to put images and letters on.

use image::ImageError;
use medley_core::ImageShape;

use super::font;
use crate::export::picture::png;

/// Between images: neither black nor white, so that the edges of both are seen.
const GROUND: [u8; 3] = [48, 52, 60];
const LETTERS: [u8; 3] = [235, 235, 235];

pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: GROUND.repeat(width * height) }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// A flat image or a slice, each pixel a square of `scale`.
    pub(super) fn picture(&mut self, left: usize, top: usize, shape: ImageShape, pixels: &[u8], scale: usize) {
        for (index, pixel) in pixels.chunks_exact(shape.channels).enumerate() {
            let colour = if let [red, green, blue] = *pixel { [red, green, blue] } else { [pixel[0]; 3] };
            let (row, column) = (index / shape.width, index % shape.width);
            self.square(left + column * scale, top + row * scale, scale, colour);
        }
    }

    /// A line of text, each dot of a letter a square of `scale`.
    pub(super) fn text(&mut self, left: usize, top: usize, text: &str, scale: usize) {
        for (position, glyph) in font::glyphs(text).enumerate() {
            for (column, bits) in glyph.into_iter().enumerate() {
                for row in (0..font::HEIGHT).filter(|row| bits >> row & 1 == 1) {
                    let x = left + (font::width(position) + column) * scale;
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

    pub(super) fn png(&self) -> Result<Vec<u8>, ImageError> {
        png(ImageShape::flat(self.height, self.width, 3), &self.pixels)
    }
}
