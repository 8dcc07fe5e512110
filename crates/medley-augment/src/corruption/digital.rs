//! Pixelation and compression.

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use crate::ImagePlanes;
use crate::kernel::histogram::level;

/// Averages boxes so that `share` of the pixels along each side are left, and draws them as large pixels.
pub(super) fn pixelate(image: &mut ImagePlanes<'_>, share: f32) {
    let [_, height, width] = image.lengths();
    let cells = |length: usize| ((length as f32 * share).round() as usize).clamp(1, length);
    let (rows, columns) = (cells(height), cells(width));
    for slice in image.pixels_mut().chunks_exact_mut(height * width) {
        for row in 0..rows {
            for column in 0..columns {
                // Cells begin and end between pixels only if they must: a pixel belongs to one cell.
                let ys = row * height / rows..(row + 1) * height / rows;
                let xs = column * width / columns..(column + 1) * width / columns;
                let count = (ys.len() * xs.len()).max(1) as f32;
                let sum: f32 = ys.clone().map(|y| slice[y * width..][xs.clone()].iter().sum::<f32>()).sum();
                ys.for_each(|y| slice[y * width..][xs.clone()].fill((sum / count).min(1.0)));
            }
        }
    }
}

/// Compresses and opens again. Colour images as one; any others channel by channel. Should the codec refuse, nothing happens.
///
/// The codec is not libjpeg: 84-98 % of the values are those of Pillow 13.0 with `subsampling=0` at the same quality, the others differ
/// little (on the mean over all 0.1-1.4 of 255, at quality 5 2.2; where a coefficient is rounded the other way up to 63), and both are as
/// far from the original, to 0.15. MedMNIST-C saves colour with Pillow's default, which halves its resolution: from that the colour images
/// here differ by 4.2 (quality 30) to 12.4 (quality 5) on the mean, and are nearer to the original by a tenth. Measured on 40 images
/// each of RetinaMNIST, BreastMNIST and PneumoniaMNIST at their five qualities.
pub(super) fn jpeg(image: &mut ImagePlanes<'_>, quality: u8) {
    let [depth, height, width] = image.lengths();
    let together = if image.shape().channels == 3 { 3 } else { 1 };
    let (slice, area) = (height * width, depth * height * width);
    let mut bytes = vec![0; slice * together];
    for planes in image.pixels_mut().chunks_exact_mut(area * together) {
        for z in 0..depth {
            for (place, byte) in bytes.iter_mut().enumerate() {
                *byte = level(planes[place % together * area + z * slice + place / together]);
            }
            if round_trip(&mut bytes, [width, height], together, quality).is_some() {
                for (place, byte) in bytes.iter().enumerate() {
                    planes[place % together * area + z * slice + place / together] = f32::from(*byte) / 255.0;
                }
            }
        }
    }
}

/// `None` when the codec refuses.
fn round_trip(bytes: &mut [u8], [width, height]: [usize; 2], channels: usize, quality: u8) -> Option<()> {
    let colour = if channels == 3 { ColorType::Rgb } else { ColorType::Luma };
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, quality);
    // Colour is kept at the resolution of brightness.
    encoder.set_sampling_factor(SamplingFactor::F_1_1);
    encoder.encode(bytes, width, height, colour).ok()?;
    let space = if channels == 3 { ColorSpace::RGB } else { ColorSpace::Luma };
    let options = DecoderOptions::default().jpeg_set_out_colorspace(space);
    JpegDecoder::new_with_options(ZCursor::new(&file), options).decode_into(bytes).ok()
}
