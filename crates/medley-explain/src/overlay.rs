//! Maps as pictures.
//!
//! A strip has three panels side by side: the image, the map over the image, and the map alone. The image is enlarged pixel by pixel, for
//! its pixels are what the network saw; the map is interpolated, for it is coarser than it looks. Colours are those of tables in
//! which equal steps look equal: from black over red to yellow where a map has no signs, and blue for what speaks against the class and
//! red for what speaks for it. Over the image the colour is as opaque as the value is great, so that what is not coloured is seen
//! unchanged. Of a volume, up to nine slices at equal distances stand in each panel.
//!
//! Nobody has to tell colours apart: [`AttributionMap::numbers`] says the same.

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, RgbImage};
use medley_core::ImageShape;

use crate::colour::colour;
use crate::{AttributionMap, ExplainError};

/// How opaque the greatest value is over the image.
const OPACITY: f32 = 0.75;
/// White pixels between panels, and between the slices of a volume.
const GAP: usize = 8;
const SLICE_GAP: usize = 2;
/// Slices of a volume that are shown, and how many in a row.
const MOST_SLICES: usize = 9;
const COLUMNS: usize = 3;

/// One image and what is drawn of it.
#[derive(Debug, Clone, Copy)]
pub struct Drawing<'a> {
    shape: ImageShape,
    pixels: &'a [u8],
    /// Pixels of the picture for a pixel of the image.
    scale: usize,
}

impl<'a> Drawing<'a> {
    /// An image of that shape, one or three channels, each pixel drawn as `scale` by `scale`.
    ///
    /// # Errors
    /// [`ExplainError::Input`] for another number of bytes or channels; [`ExplainError::Option`] for a scale of 0 and for pictures of
    /// more than 8192 pixels a side.
    pub fn new(shape: ImageShape, pixels: &'a [u8], scale: usize) -> Result<Self, ExplainError> {
        let sides = [shape.height, shape.width];
        if shape.checked_len() != Some(pixels.len()) || ![1, 3].contains(&shape.channels) || pixels.is_empty() {
            let actual = format!("{shape} in {} bytes", pixels.len());
            let expected = "as many bytes as its shape says, of 1 or 3 channels".to_owned();
            return Err(ExplainError::Input { what: "the image is", actual, expected });
        }
        if scale == 0 || sides.iter().any(|side| side.saturating_mul(scale) > 8192) {
            let problem = "at least 1, and no side of more than 8192 pixels".to_owned();
            return Err(ExplainError::Option { option: "scale", value: scale.to_string(), problem });
        }
        Ok(Self { shape, pixels, scale })
    }

    /// The scale at which the shorter side has at least so many pixels.
    pub fn scale_for(shape: ImageShape, side: usize) -> usize {
        side.div_ceil(shape.height.min(shape.width).max(1)).max(1)
    }

    /// Image, overlay and map side by side: a PNG.
    ///
    /// # Errors
    /// [`ExplainError::Input`] for a map of another number of axes; [`ExplainError::Picture`].
    pub fn strip(&self, map: &AttributionMap) -> Result<Vec<u8>, ExplainError> {
        let panels = [self.panel(None, 1.0)?, self.panel(Some(map), OPACITY)?, self.panel(Some(map), 1.0)?];
        png(&beside(&panels, panels.len(), GAP))
    }

    /// The map over the image: a PNG.
    ///
    /// # Errors
    /// As [`Self::strip`].
    pub fn overlay(&self, map: &AttributionMap) -> Result<Vec<u8>, ExplainError> {
        png(&self.panel(Some(map), OPACITY)?)
    }

    /// The image: a PNG.
    ///
    /// # Errors
    /// [`ExplainError::Picture`].
    pub fn picture(&self) -> Result<Vec<u8>, ExplainError> {
        png(&self.panel(None, 1.0)?)
    }

    /// The image under a map of that opacity at its greatest value; at 1 the map alone, opaque everywhere.
    fn panel(&self, map: Option<&AttributionMap>, opacity: f32) -> Result<Raster, ExplainError> {
        let (height, width) = (self.shape.height * self.scale, self.shape.width * self.scale);
        let full = map.map_or(0.0, AttributionMap::full_colour);
        // Along the depth first: only the slices that are shown are enlarged.
        let map = match (map, self.shape.depth) {
            (Some(map), Some(depth)) => {
                let [_, h, w] = map.shape()[..] else { return Err(no_volume(map)) };
                Some(map.resized(&[depth, h, w])?)
            }
            (map, _) => map.cloned(),
        };
        let slices = chosen_slices(self.shape.depth);
        let mut panels = Vec::with_capacity(slices.len());
        for slice in slices {
            let map = map.as_ref().map(|map| map.slice(slice).resized(&[height, width])).transpose()?;
            panels.push(self.slice(slice, height, width, |place, grey| match &map {
                None => grey,
                Some(map) => {
                    let share = if full > 0.0 { (map.values()[place] / full).clamp(-1.0, 1.0) } else { 0.0 };
                    let opacity = if opacity < 1.0 { opacity * share.abs() } else { 1.0 };
                    mixed(grey, colour(share, map.is_signed()), opacity)
                }
            }));
        }
        Ok(beside(&panels, COLUMNS.min(panels.len()), SLICE_GAP))
    }

    fn slice(&self, slice: usize, height: usize, width: usize, paint: impl Fn(usize, [u8; 3]) -> [u8; 3]) -> Raster {
        let ImageShape { height: h, width: w, channels, .. } = self.shape;
        let pixels = &self.pixels[slice * h * w * channels..];
        let pixel = |place: usize| {
            let (y, x) = (place / width / self.scale, place % width / self.scale);
            let at = (y * w + x) * channels;
            paint(place, if channels == 3 { [pixels[at], pixels[at + 1], pixels[at + 2]] } else { [pixels[at]; 3] })
        };
        Raster { height, width, pixels: (0..height * width).map(pixel).collect() }
    }
}

fn no_volume(map: &AttributionMap) -> ExplainError {
    let actual = format!("{:?}", map.shape());
    ExplainError::Input { what: "the map of a volume is", actual, expected: "[d, h, w]".to_owned() }
}

/// An image of at most `most` pixels a side: the mean of squares of pixels, whose sides divide by what is left over. The image itself if
/// it is small enough. Of volumes, height and width alone.
pub fn shrunk(shape: ImageShape, pixels: &[u8], most: usize) -> (ImageShape, Vec<u8>) {
    let factor = shape.height.max(shape.width).div_ceil(most.max(1)).max(1);
    let (height, width) = (shape.height / factor, shape.width / factor);
    if factor == 1 || height == 0 || width == 0 {
        return (shape, pixels.to_vec());
    }
    let channels = shape.channels;
    let mean = |slice: &[u8], y: usize, x: usize, channel: usize| {
        let square = (0..factor * factor).map(|at| (y * factor + at / factor, x * factor + at % factor));
        let sum: usize = square.map(|(y, x)| usize::from(slice[(y * shape.width + x) * channels + channel])).sum();
        ((sum + factor * factor / 2) / (factor * factor)) as u8
    };
    let mut small = Vec::with_capacity(shape.depth.unwrap_or(1) * height * width * channels);
    for slice in pixels.chunks_exact(shape.height * shape.width * channels) {
        for place in 0..height * width * channels {
            let (pixel, channel) = (place / channels, place % channels);
            small.push(mean(slice, pixel / width, pixel % width, channel));
        }
    }
    (ImageShape { height, width, ..shape }, small)
}

/// A file in Base64, as pages and JSON hold it.
pub fn base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Slices at equal distances, from the middle of the first part to that of the last.
pub fn chosen_slices(depth: Option<usize>) -> Vec<usize> {
    let Some(depth) = depth else { return vec![0] };
    let count = depth.min(MOST_SLICES);
    (0..count).map(|index| (2 * index + 1) * depth / (2 * count)).collect()
}

fn mixed(below: [u8; 3], above: [u8; 3], opacity: f32) -> [u8; 3] {
    let mix = |below: u8, above: u8| (f32::from(below) * (1.0 - opacity) + f32::from(above) * opacity + 0.5) as u8;
    [0, 1, 2].map(|channel| mix(below[channel], above[channel]))
}

#[derive(Debug, Clone, PartialEq)]
struct Raster {
    height: usize,
    width: usize,
    pixels: Vec<[u8; 3]>,
}

/// Panels of one size, on a white ground.
fn beside(panels: &[Raster], columns: usize, gap: usize) -> Raster {
    let (height, width) = panels.first().map_or((0, 0), |first| (first.height, first.width));
    let rows = panels.len().div_ceil(columns.max(1));
    let whole = |count: usize, side: usize| (count * (side + gap)).saturating_sub(gap);
    let mut sheet = Raster { height: whole(rows, height), width: whole(columns, width), pixels: Vec::new() };
    sheet.pixels = vec![[255; 3]; sheet.height * sheet.width];
    for (index, panel) in panels.iter().enumerate() {
        let (top, left) = (index / columns * (height + gap), index % columns * (width + gap));
        for (row, line) in panel.pixels.chunks(width).enumerate() {
            let start = (top + row) * sheet.width + left;
            sheet.pixels[start..start + width].copy_from_slice(line);
        }
    }
    sheet
}

fn png(raster: &Raster) -> Result<Vec<u8>, ExplainError> {
    let failed = |problem: String| ExplainError::Picture(problem);
    let bytes = raster.pixels.concat();
    let grey = raster.pixels.iter().all(|[r, g, b]| r == g && g == b);
    let mut file = Cursor::new(Vec::new());
    let (width, height) = (raster.width as u32, raster.height as u32);
    let written = if grey {
        let luma = raster.pixels.iter().map(|pixel| pixel[0]).collect();
        image::GrayImage::from_raw(width, height, luma).map(|picture| picture.write_to(&mut file, ImageFormat::Png))
    } else {
        RgbImage::from_raw(width, height, bytes).map(|picture| picture.write_to(&mut file, ImageFormat::Png))
    };
    written.ok_or_else(|| failed("its size".to_owned()))?.map_err(|error| failed(error.to_string()))?;
    Ok(file.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(png: &[u8]) -> RgbImage {
        image::load_from_memory(png).unwrap().into_rgb8()
    }

    #[test]
    fn a_strip_has_image_overlay_and_map() {
        let shape = ImageShape::flat(2, 3, 1);
        let pixels = [0, 50, 100, 150, 200, 250];
        let map = AttributionMap::new(vec![1, 3], vec![0.0, 0.0, 4.0], false).unwrap();
        let strip = decoded(&Drawing::new(shape, &pixels, 10).unwrap().strip(&map).unwrap());
        assert_eq!(strip.dimensions(), (3 * 30 + 2 * 8, 20));
        // Pixels of the image are squares of one colour.
        assert_eq!((strip.get_pixel(10, 9).0, strip.get_pixel(19, 0).0), ([50; 3], [50; 3]));
        // Where the map is 0 the overlay is the image; where it is greatest, three quarters are the colour.
        assert_eq!(strip.get_pixel(38 + 4, 15).0, [150; 3]);
        let colour = [252.0_f32, 255.0, 164.0].map(|channel| (250.0 * 0.25 + channel * 0.75 + 0.5) as u8);
        assert_eq!(strip.get_pixel(38 + 29, 15).0, colour);
        assert_eq!((strip.get_pixel(76, 0).0, strip.get_pixel(76 + 29, 0).0), ([0, 0, 4], [252, 255, 164]));
        assert_eq!(strip.get_pixel(31, 3).0, [255; 3]);
    }

    #[test]
    fn a_volume_shows_slices() {
        assert_eq!(chosen_slices(Some(28)), [1, 4, 7, 10, 14, 17, 20, 23, 26]);
        assert_eq!((chosen_slices(Some(3)), chosen_slices(None)), (vec![0, 1, 2], vec![0]));
        let shape = ImageShape { depth: Some(4), ..ImageShape::flat(4, 4, 1) };
        let pixels: Vec<u8> = (0..64).collect();
        let map = AttributionMap::new(vec![2, 2, 2], vec![-1.0; 8], true).unwrap();
        let drawing = Drawing::new(shape, &pixels, 2).unwrap();
        let overlay = decoded(&drawing.overlay(&map).unwrap());
        assert_eq!(overlay.dimensions(), (3 * 8 + 2 * 2, 2 * 8 + 2));
        let picture = decoded(&drawing.picture().unwrap());
        assert_eq!(
            (picture.get_pixel(0, 0).0, picture.get_pixel(10, 0).0, picture.get_pixel(0, 10).0),
            ([0; 3], [16; 3], [48; 3])
        );
        let flat = AttributionMap::new(vec![2, 2], vec![0.0; 4], true).unwrap();
        assert!(drawing.overlay(&flat).is_err());
    }

    #[test]
    fn large_images_shrink_to_means() {
        let shape = ImageShape::flat(4, 5, 1);
        let pixels: Vec<u8> = (0..20).map(|value| value * 10).collect();
        let (small, means) = shrunk(shape, &pixels, 3);
        assert_eq!((small.height, small.width, means), (2, 2, vec![30, 50, 130, 150]));
        assert_eq!(shrunk(shape, &pixels, 5), (shape, pixels.clone()));
        let volume = ImageShape { depth: Some(2), ..ImageShape::flat(2, 2, 1) };
        assert_eq!(shrunk(volume, &[0, 2, 4, 6, 1, 1, 1, 1], 1).1, [3, 1]);
        assert_eq!(base64(b"Medley"), "TWVkbGV5");
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let shape = ImageShape::flat(2, 3, 1);
        assert!(Drawing::new(shape, &[0; 5], 1).is_err());
        assert!(Drawing::new(ImageShape::flat(1, 1, 2), &[0; 2], 1).is_err());
        assert!(Drawing::new(shape, &[0; 6], 0).is_err());
        assert!(Drawing::new(shape, &[0; 6], usize::MAX).is_err());
        assert_eq!((Drawing::scale_for(ImageShape::flat(28, 28, 1), 224), Drawing::scale_for(shape, 1)), (8, 1));
    }
}
