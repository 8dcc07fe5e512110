//! One image or volume as the bytes of a picture file.

use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::codecs::png::PngEncoder;
use image::{Delay, ExtendedColorType, Frame, ImageEncoder as _, ImageError, RgbaImage};
use medley_core::{ImageShape, TaskSpec};

use crate::ImportError;

/// How long the medmnist package shows a slice.
const MILLISECONDS_PER_SLICE: u32 = 200;

/// Refuses what has no exact picture: a palette of 256 colours does not hold a slice in colour.
pub(super) fn check_shape(path: &Path, spec: &TaskSpec) -> Result<(), ImportError> {
    let shape = spec.shape;
    match (shape.depth, shape.channels) {
        (None, 1 | 3) | (Some(_), 1) => Ok(()),
        (None, _) => Err(refuse(path, format!("images of {shape} are neither grey nor RGB"))),
        (Some(_), _) => Err(refuse(path, format!("volumes of {shape} are in colour, which GIF cannot hold exactly"))),
    }
}

/// PNG for images, GIF for volumes.
pub(super) fn encode(path: &Path, shape: ImageShape, pixels: &[u8]) -> Result<Vec<u8>, ImportError> {
    let encoded = if shape.depth.is_some() { gif(shape, pixels) } else { png(shape, pixels) };
    encoded.map_err(|error| refuse(path, error.to_string()))
}

/// `[H, W, C]` as a PNG of 8 bits per channel.
pub(crate) fn png(shape: ImageShape, pixels: &[u8]) -> Result<Vec<u8>, ImageError> {
    let colour = if shape.channels == 3 { ExtendedColorType::Rgb8 } else { ExtendedColorType::L8 };
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes).write_image(pixels, shape.width as u32, shape.height as u32, colour)?;
    Ok(bytes)
}

/// `[D, H, W]` as an animation that repeats without end. A slice has at most 256 greys, so each palette is exact.
fn gif(shape: ImageShape, pixels: &[u8]) -> Result<Vec<u8>, ImageError> {
    let (width, height) = (shape.width as u32, shape.height as u32);
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.set_repeat(Repeat::Infinite)?;
    for slice in pixels.chunks_exact(shape.height * shape.width) {
        let coloured = slice.iter().flat_map(|&grey| [grey, grey, grey, 255]).collect();
        let picture = RgbaImage::from_raw(width, height, coloured).unwrap_or_default();
        let delay = Delay::from_numer_denom_ms(MILLISECONDS_PER_SLICE, 1);
        encoder.encode_frame(Frame::from_parts(picture, 0, 0, delay))?;
    }
    drop(encoder);
    Ok(bytes)
}

fn refuse(path: &Path, problem: String) -> ImportError {
    ImportError::Image { path: path.to_owned(), problem }
}
