//! Other sizes.
//!
//! Resizing is no step of a policy, as it changes the shape: it is done to whole sets, before anything else.

use medley_core::{ImageShape, ImageSource, Images};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::AugmentError;

/// How to find pixels of the new size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeMethod {
    /// The nearest pixel, as PIL and so the official benchmark (`--resize`), and as `PyTorch`'s `nearest-exact`.
    Nearest,
    /// From the 2 nearest along each axis, as `PyTorch` without antialiasing. Shrinking by more than 2 misses pixels.
    Bilinear,
    /// From the 4 nearest along each axis (Keys, a = -0.75), as `PyTorch` without antialiasing.
    Bicubic,
    /// Triangle as wide as a new pixel, as PIL and `PyTorch` with antialiasing.
    BilinearAntialias,
    /// Keys' kernel (a = -0.5) as wide as a new pixel, as PIL and `PyTorch` with antialiasing.
    BicubicAntialias,
}

/// Where the pixels of one axis come from.
#[derive(Debug, Clone, PartialEq)]
struct Axis {
    length: usize,
    /// First input index and number of weights per output index.
    spans: Vec<(usize, usize)>,
    /// Weights of all output indices, one after another; each span's sum to 1.
    weights: Vec<f32>,
}

/// A resizing between two shapes, prepared once for any number of images.
#[derive(Debug, Clone)]
pub struct Resizer {
    from: ImageShape,
    to: ImageShape,
    /// Along depth, height, width.
    axes: [Axis; 3],
}

impl Resizer {
    /// Prepares weights. Depth, height and width may change, channels not.
    ///
    /// # Errors
    /// [`AugmentError::Resize`] if a length is 0, channels differ, only one has depth, or the new image has 2^31 values or more.
    pub fn new(from: ImageShape, to: ImageShape, method: ResizeMethod) -> Result<Self, AugmentError> {
        let lengths = |shape: ImageShape| [shape.depth.unwrap_or(1), shape.height, shape.width];
        let small = |shape: ImageShape| shape.checked_len().is_some_and(|len| (1..1 << 31).contains(&len));
        let alike = from.channels == to.channels && from.depth.is_some() == to.depth.is_some();
        if !alike || !small(from) || !small(to) {
            return Err(AugmentError::Resize { from: from.to_string(), to: to.to_string() });
        }
        let (before, after) = (lengths(from), lengths(to));
        let axes = std::array::from_fn(|axis| Axis::new(before[axis], after[axis], method));
        Ok(Self { from, to, axes })
    }

    /// Resizes one image, `[H, W, C]` or `[D, H, W, C]`. Rounds to bytes after each axis, as Pillow does.
    ///
    /// # Panics
    /// If a buffer has not the size of its shape.
    pub fn resize(&self, input: &[u8], output: &mut [u8]) {
        assert_eq!(self.to.len(), output.len(), "an image of {} has as many bytes", self.to);
        let values = self.along_axes(input, |values| {
            for value in values {
                *value = value.clamp(0.0, 255.0).round();
            }
        });
        for (byte, value) in output.iter_mut().zip(values) {
            *byte = value as u8;
        }
    }

    /// Resizes one image to values in 0-1 (bicubic methods go a little beyond), as `PyTorch` does with floats.
    ///
    /// # Panics
    /// If `input` has not the size of its shape.
    pub fn resize_unrounded(&self, input: &[u8]) -> Vec<f32> {
        let mut values = self.along_axes(input, |_| {});
        for value in &mut values {
            *value *= 1.0 / 255.0;
        }
        values
    }

    /// The last axis first, as in Pillow 12; `after` is called after each.
    fn along_axes(&self, input: &[u8], after: impl Fn(&mut [f32])) -> Vec<f32> {
        assert_eq!(self.from.len(), input.len(), "an image of {} has as many bytes", self.from);
        let (depth, height) = (self.from.depth.unwrap_or(1), self.from.height);
        let row = self.to.width * self.to.channels;
        let mut values: Vec<f32> = input.iter().map(|&byte| f32::from(byte)).collect();
        let passes = [(2, depth * height, self.to.channels), (1, depth, row), (0, 1, self.to.height * row)];
        for (axis, outer, inner) in passes {
            values = self.axes[axis].apply(&values, outer, inner);
            after(&mut values);
        }
        values
    }
}

/// Resizes all images of a set.
///
/// # Errors
/// As [`Resizer::new`]; also if the whole set exceeds the address space.
pub fn resize_images(images: &dyn ImageSource, to: ImageShape, method: ResizeMethod) -> Result<Images, AugmentError> {
    let from = images.shape();
    let resizer = Resizer::new(from, to, method)?;
    let error = || AugmentError::Resize { from: from.to_string(), to: format!("{} times {to}", images.len()) };
    let total = to.len().checked_mul(images.len()).filter(|&total| isize::try_from(total).is_ok()).ok_or_else(error)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(total).map_err(|_| error())?;
    bytes.resize(total, 0);
    bytes.par_chunks_exact_mut(to.len()).enumerate().for_each(|(index, out)| resizer.resize(images.image(index), out));
    Images::new(to, images.len(), bytes).map_err(|_| error())
}

impl Axis {
    fn new(from: usize, to: usize, method: ResizeMethod) -> Self {
        let mut axis = Self { length: from, spans: Vec::with_capacity(to), weights: Vec::new() };
        let scale = from as f64 / to as f64;
        let mut nearest = 0.5 * scale;
        for index in 0..to {
            // The middle of the new pixel, in old pixels.
            let centre = (index as f64 + 0.5) * scale;
            match method {
                ResizeMethod::Nearest => {
                    axis.push((nearest.floor() as usize).min(from - 1), &[1.0]);
                    // Pillow adds up, and where a middle falls between two pixels its rounding decides.
                    nearest += scale;
                }
                // The same image must come out the same.
                _ if from == to => axis.push(index, &[1.0]),
                ResizeMethod::Bilinear => axis.taps((centre - 0.5).max(0.0), 0, |t| vec![1.0 - t, t]),
                ResizeMethod::Bicubic => {
                    let keys = |t: f64| [1.0 + t, t, 1.0 - t, 2.0 - t].map(|d| cubic(d, -0.75)).to_vec();
                    axis.taps(centre - 0.5, 1, keys);
                }
                ResizeMethod::BilinearAntialias => axis.wide(centre, scale.max(1.0), 1.0, |d| (1.0 - d).max(0.0)),
                ResizeMethod::BicubicAntialias => axis.wide(centre, scale.max(1.0), 2.0, |d| cubic(d, -0.5)),
            }
        }
        axis
    }

    fn push(&mut self, first: usize, weights: &[f32]) {
        self.spans.push((first, weights.len()));
        self.weights.extend_from_slice(weights);
    }

    /// Fixed taps from `before` ahead of the place on; those outside take the outermost pixel.
    fn taps(&mut self, place: f64, before: i64, weights: impl Fn(f64) -> Vec<f64>) {
        let whole = place.floor();
        let weights = weights(place - whole);
        let clamped = |tap: usize| (whole as i64 - before + tap as i64).clamp(0, self.length as i64 - 1) as usize;
        let first = clamped(0);
        let mut merged = vec![0.0; clamped(weights.len() - 1) - first + 1];
        for (tap, weight) in weights.into_iter().enumerate() {
            merged[clamped(tap) - first] += weight as f32;
        }
        self.push(first, &merged);
    }

    /// A kernel stretched by `scale`; what lies outside does not count.
    fn wide(&mut self, centre: f64, scale: f64, support: f64, kernel: impl Fn(f64) -> f64) {
        let reach = support * scale;
        let first = (centre - reach + 0.5).floor().max(0.0) as usize;
        let last = ((centre + reach + 0.5).floor() as usize).min(self.length);
        let weights: Vec<f64> =
            (first..last).map(|index| kernel(((index as f64 + 0.5 - centre) / scale).abs())).collect();
        let sum: f64 = weights.iter().sum();
        let weights: Vec<f32> = weights.iter().map(|weight| (weight / sum) as f32).collect();
        self.push(first, &weights);
    }

    /// Along the middle of `[outer, length, inner]`.
    fn apply(&self, values: &[f32], outer: usize, inner: usize) -> Vec<f32> {
        let mut out = vec![0.0; outer * self.spans.len() * inner];
        for (block, out) in out.chunks_exact_mut(self.spans.len() * inner).enumerate() {
            let values = &values[block * self.length * inner..][..self.length * inner];
            let mut weights = self.weights.iter();
            for (out, &(first, count)) in out.chunks_exact_mut(inner).zip(&self.spans) {
                for (index, weight) in (first..first + count).zip(&mut weights) {
                    for (out, value) in out.iter_mut().zip(&values[index * inner..][..inner]) {
                        *out += weight * value;
                    }
                }
            }
        }
        out
    }
}

/// Keys' cubic convolution at distance `d`.
fn cubic(d: f64, a: f64) -> f64 {
    if d < 1.0 {
        ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
    } else if d < 2.0 {
        (((d - 5.0) * d + 8.0) * d - 4.0) * a
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [ResizeMethod; 5] = [
        ResizeMethod::Nearest,
        ResizeMethod::Bilinear,
        ResizeMethod::Bicubic,
        ResizeMethod::BilinearAntialias,
        ResizeMethod::BicubicAntialias,
    ];

    #[test]
    fn constant_images_stay_constant_and_equal_sizes_change_nothing() {
        for method in METHODS {
            for (to, constant) in [(ImageShape::flat(5, 13, 2), true), (ImageShape::flat(8, 8, 2), false)] {
                let image: Vec<u8> = (0..128).map(|i| if constant { 77 } else { (i * 37) as u8 }).collect();
                let mut out = vec![0; to.len()];
                Resizer::new(ImageShape::flat(8, 8, 2), to, method).unwrap().resize(&image, &mut out);
                if constant {
                    assert!(out.iter().all(|&byte| byte == 77), "{method:?}: {out:?}");
                } else {
                    assert_eq!(out, image, "{method:?}");
                }
            }
        }
    }

    #[test]
    fn volumes_are_resized_along_every_axis() {
        let from = ImageShape::volume(2, 2, 2, 1);
        let images = Images::new(from, 2, (0..16).map(|i| i * 16).collect()).unwrap();
        for method in METHODS {
            let up = resize_images(&images, ImageShape::volume(4, 4, 4, 1), method).unwrap();
            let down = resize_images(&up, from, ResizeMethod::BilinearAntialias).unwrap();
            for (a, b) in images.bytes().iter().zip(down.bytes()) {
                assert!(a.abs_diff(*b) < 30, "{method:?}: {:?} {:?}", images.bytes(), down.bytes());
            }
        }
    }

    #[test]
    fn impossible_sizes_are_refused() {
        let from = ImageShape::flat(8, 8, 1);
        for to in [
            ImageShape::flat(0, 8, 1),
            ImageShape::flat(8, 8, 3),
            ImageShape::volume(8, 8, 8, 1),
            ImageShape::flat(1 << 20, 1 << 20, 1),
        ] {
            assert!(matches!(Resizer::new(from, to, ResizeMethod::Nearest), Err(AugmentError::Resize { .. })), "{to}");
        }
    }
}
