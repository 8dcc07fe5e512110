//! Images of any size made square, and volumes cubic.

use image::imageops::{self, FilterType};
use image::{ImageBuffer, Luma, Rgb};
use serde::{Deserialize, Serialize};

use crate::Picture;

/// How an image that is not square becomes so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Shrunk or enlarged as it is, then black bars beside it: nothing is lost, nothing distorted.
    #[default]
    Pad,
    /// The square in the middle, as large as there is.
    Crop,
    /// Each edge by a factor of its own.
    Stretch,
}

/// How pixels are resampled. All widen with the factor when they shrink, so that every pixel counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Filter {
    /// The nearest pixel: keeps values, for masks.
    Nearest,
    /// Linear.
    Triangle,
    /// Bicubic with a = -0.5, which Pillow calls BICUBIC.
    #[default]
    CatmullRom,
    /// Three lobes of a windowed sinc.
    Lanczos3,
}

impl Filter {
    fn of_image(self) -> FilterType {
        match self {
            Self::Nearest => FilterType::Nearest,
            Self::Triangle => FilterType::Triangle,
            Self::CatmullRom => FilterType::CatmullRom,
            Self::Lanczos3 => FilterType::Lanczos3,
        }
    }
}

/// How a picture of any size gets that of a model or a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resizing {
    /// What becomes of the sides.
    pub fit: Fit,
    /// How pixels are resampled.
    pub filter: Filter,
}

/// The bytes of a picture at `size` pixels per edge. A picture that has that size already is not touched.
pub fn fit(picture: &Picture, size: usize, fit: Fit, filter: Filter) -> Vec<u8> {
    let [depth, height, width] = [picture.depth.unwrap_or(1), picture.height, picture.width];
    let flat = picture.depth.is_none();
    let (shortest, longest) = if flat {
        (height.min(width), height.max(width))
    } else {
        (depth.min(height).min(width), depth.max(height).max(width))
    };
    if shortest == size && longest == size {
        return picture.bytes.clone();
    }
    let target = |edge: usize| match fit {
        Fit::Stretch | Fit::Crop => size,
        // To the nearest pixel.
        Fit::Pad => ((2 * edge * size + longest) / (2 * longest)).clamp(1, size),
    };
    let source = match fit {
        Fit::Crop => cut(picture, shortest),
        Fit::Pad | Fit::Stretch => picture.clone(),
    };
    let [depth, height, width] = [source.depth.unwrap_or(1), source.height, source.width];
    let (new_height, new_width) = (target(height), target(width));
    let slice = source.bytes.len() / depth;
    let mut bytes: Vec<u8> = Vec::with_capacity(depth * new_height * new_width * source.channels);
    for slice in source.bytes.chunks_exact(slice) {
        bytes.extend(resize(slice, [height, width], [new_height, new_width], source.channels, filter));
    }
    let mut new_depth = 1;
    if !flat {
        // All slices as one image of `depth` rows: resizing its height leaves each column by itself.
        new_depth = target(depth);
        let columns = new_height * new_width;
        bytes = resize(&bytes, [depth, columns], [new_depth, columns], 1, filter);
    }
    let made = [new_depth, new_height, new_width];
    centre(&bytes, made, [if flat { 1 } else { size }, size, size], source.channels)
}

/// The cube or square in the middle.
fn cut(picture: &Picture, edge: usize) -> Picture {
    let from = [picture.depth.unwrap_or(1), picture.height, picture.width];
    let to = [if picture.depth.is_some() { edge } else { 1 }, edge, edge];
    let bytes = centre(&picture.bytes, from, to, picture.channels);
    Picture { depth: picture.depth.map(|_| edge), height: edge, width: edge, channels: picture.channels, bytes }
}

/// Cuts off or adds black on both sides of every axis, so that the middle stays the middle; of an odd number, the larger half goes
/// to the end.
fn centre(bytes: &[u8], from: [usize; 3], to: [usize; 3], channels: usize) -> Vec<u8> {
    if from == to {
        return bytes.to_vec();
    }
    let mut result = vec![0; to.iter().product::<usize>() * channels];
    // Where the common part begins in each, and how long it is.
    let [d, h, w] = [0, 1, 2].map(|axis| {
        let common = from[axis].min(to[axis]);
        ((from[axis] - common) / 2, (to[axis] - common) / 2, common)
    });
    for slice in 0..d.2 {
        for row in 0..h.2 {
            let source = (((d.0 + slice) * from[1] + h.0 + row) * from[2] + w.0) * channels;
            let target = (((d.1 + slice) * to[1] + h.1 + row) * to[2] + w.1) * channels;
            result[target..target + w.2 * channels].copy_from_slice(&bytes[source..source + w.2 * channels]);
        }
    }
    result
}

/// `[H, W, C]` to another height and width.
fn resize(bytes: &[u8], from: [usize; 2], to: [usize; 2], channels: usize, filter: Filter) -> Vec<u8> {
    if from == to {
        return bytes.to_vec();
    }
    let ([height, width], filter) = (to.map(|edge| edge as u32), filter.of_image());
    let source = bytes.to_vec();
    // The buffer has the bytes of its shape, so neither is ever empty.
    if channels == 3 {
        let source = ImageBuffer::<Rgb<u8>, _>::from_raw(from[1] as u32, from[0] as u32, source).unwrap_or_default();
        imageops::resize(&source, width, height, filter).into_raw()
    } else {
        let source = ImageBuffer::<Luma<u8>, _>::from_raw(from[1] as u32, from[0] as u32, source).unwrap_or_default();
        imageops::resize(&source, width, height, filter).into_raw()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn picture(depth: Option<usize>, height: usize, width: usize, channels: usize) -> Picture {
        let length = depth.unwrap_or(1) * height * width * channels;
        Picture { depth, height, width, channels, bytes: (0..length).map(|i| (i * 7 % 251) as u8).collect() }
    }

    #[test]
    fn what_fits_is_not_touched() {
        let square = picture(None, 9, 9, 3);
        assert_eq!(fit(&square, 9, Fit::Pad, Filter::Lanczos3), square.bytes);
        let cube = picture(Some(8), 8, 8, 1);
        assert_eq!(fit(&cube, 8, Fit::Crop, Filter::Triangle), cube.bytes);
    }

    #[test]
    fn bars_and_cuts_are_in_the_middle() {
        let wide = Picture { depth: None, height: 1, width: 3, channels: 1, bytes: vec![1, 2, 3] };
        assert_eq!(fit(&wide, 3, Fit::Pad, Filter::Nearest), [0, 0, 0, 1, 2, 3, 0, 0, 0]);
        assert_eq!(fit(&wide, 1, Fit::Crop, Filter::Nearest), [2]);
        let long = Picture { depth: Some(3), height: 1, width: 1, channels: 1, bytes: vec![1, 2, 3] };
        let padded = fit(&long, 3, Fit::Pad, Filter::Nearest);
        assert_eq!((padded[4], padded[13], padded[22]), (1, 2, 3));
        assert_eq!(padded.iter().map(|&byte| u32::from(byte)).sum::<u32>(), 6);
    }

    proptest! {
        #[test]
        fn every_picture_gets_its_size(
            depth in prop::option::of(1_usize..6), height in 1_usize..20, width in 1_usize..20, colour: bool, size in 8_usize..14,
            way in prop::sample::select(vec![Fit::Pad, Fit::Crop, Fit::Stretch]),
            filter in prop::sample::select(vec![Filter::Nearest, Filter::Triangle, Filter::CatmullRom, Filter::Lanczos3]),
        ) {
            let channels = if colour && depth.is_none() { 3 } else { 1 };
            let picture = picture(depth, height, width, channels);
            let volume = if depth.is_some() { size } else { 1 };
            prop_assert_eq!(fit(&picture, size, way, filter).len(), volume * size * size * channels);
            // A constant image stays constant, apart from bars.
            let constant = Picture { bytes: vec![77; picture.bytes.len()], ..picture };
            let made = fit(&constant, size, way, filter);
            prop_assert!(made.iter().all(|&value| value == 77 || (way == Fit::Pad && value == 0)));
            prop_assert!(made.contains(&77));
        }
    }
}
