//! Convolutions, reflected at the border.

use super::colour::{clip, scale};
use crate::Padding;

/// Convolves planes `[C, D, H, W]` in 0-1 along each axis in turn with the same odd, symmetric kernel that sums to 1. Axes of
/// length 1 are skipped.
pub(crate) fn separable(planes: &mut [f32], lengths: [usize; 3], kernel: &[f32], scratch: &mut Vec<f32>) {
    let [depth, height, width] = lengths;
    if width > 1 {
        scratch.resize(width + kernel.len(), 0.0);
        for row in planes.chunks_exact_mut(width) {
            along_row(row, kernel, scratch);
        }
    }
    // Rows of a slice, then slices of a volume, are blended as wholes.
    for (length, block) in [(height, width), (depth, height * width)] {
        if length > 1 {
            scratch.resize(length * block, 0.0);
            for blocks in planes.chunks_exact_mut(length * block) {
                scratch.copy_from_slice(blocks);
                across(blocks, block, kernel, scratch);
            }
        }
    }
    // The weights sum to 1 but for rounding.
    scale(planes, 1.0, 0.0);
}

fn along_row(row: &mut [f32], kernel: &[f32], scratch: &mut [f32]) {
    let radius = kernel.len() / 2;
    let framed = &mut scratch[..row.len() + 2 * radius];
    for (x, value) in framed.iter_mut().enumerate() {
        let from = Padding::Reflect.resolve(x as i64 - radius as i64, row.len());
        *value = from.map_or(0.0, |from| row[from]);
    }
    convolve(row, kernel, framed);
}

vectorised! {
    fn convolve(row: &mut [f32], kernel: &[f32], framed: &[f32]) {
        row.fill(0.0);
        for (tap, weight) in kernel.iter().enumerate() {
            for (value, from) in row.iter_mut().zip(&framed[tap..]) {
                *value += weight * from;
            }
        }
    }
}

fn across(blocks: &mut [f32], block: usize, kernel: &[f32], original: &[f32]) {
    let radius = kernel.len() / 2;
    let length = blocks.len() / block;
    for (place, out) in blocks.chunks_exact_mut(block).enumerate() {
        out.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate() {
            if let Some(from) = Padding::Reflect.resolve((place + tap) as i64 - radius as i64, length) {
                add_scaled(out, &original[from * block..][..block], weight);
            }
        }
    }
}

vectorised! {
    /// `out += values * weight`.
    pub(crate) fn add_scaled(out: &mut [f32], values: &[f32], weight: f32) {
        for (out, value) in out.iter_mut().zip(values) {
            *out += weight * value;
        }
    }
}

/// A Gaussian over `2 * radius + 1` pixels that sums to 1, into `kernel`.
pub(crate) fn gaussian(deviation: f32, radius: usize, kernel: &mut Vec<f32>) {
    let deviation = f64::from(deviation);
    let weight = |tap: i64| libm::exp(-0.5 * (tap * tap) as f64 / (deviation * deviation));
    let radius = radius as i64;
    let sum: f64 = (-radius..=radius).map(weight).sum();
    kernel.clear();
    kernel.extend((-radius..=radius).map(|tap| (weight(tap) / sum) as f32));
}

/// Moves a plane away from (factor above 1) or towards its smoothed self, as PIL's and torchvision's sharpness: the kernel is 5
/// in the middle and 1 around it, over 13, and the outermost pixels stay.
pub(crate) fn sharpen(plane: &mut [f32], width: usize, factor: f32, scratch: &mut Vec<f32>) {
    if width < 3 || plane.len() < 3 * width {
        return;
    }
    scratch.clear();
    scratch.extend_from_slice(plane);
    let last = plane.len() / width - 1;
    for y in 1..last {
        let row = |y: usize| &scratch[y * width..][..width];
        sharpen_row(&mut plane[y * width + 1..][..width - 2], row(y - 1), row(y), row(y + 1), factor);
    }
    for y in [0, last] {
        for value in &mut plane[y * width..][..width] {
            *value = clip(*value);
        }
    }
}

vectorised! {
    fn sharpen_row(out: &mut [f32], above: &[f32], here: &[f32], below: &[f32], factor: f32) {
        for (x, out) in out.iter_mut().enumerate() {
            let three = |row: &[f32]| row[x] + row[x + 1] + row[x + 2];
            let middle = here[x + 1];
            let smooth = (three(above) + three(here) + three(below) + 4.0 * middle) * (1.0 / 13.0);
            *out = clip(smooth + factor * (middle - smooth));
        }
    }
}

/// Convolves a slice with a square kernel of `2 * reach + 1` pixels a side, reflected at the border.
pub(crate) fn convolve_square(slice: &mut [f32], width: usize, kernel: &[f32], reach: usize, scratch: &mut Vec<f32>) {
    let height = slice.len() / width;
    let framed = width + 2 * reach;
    let resolve = |place: usize, length| Padding::Reflect.resolve(place as i64 - reach as i64, length);
    scratch.clear();
    for y in 0..height + 2 * reach {
        let Some(row) = resolve(y, height).map(|y| &slice[y * width..][..width]) else { continue };
        scratch.extend((0..framed).map(|x| resolve(x, width).map_or(0.0, |x| row[x])));
    }
    for (y, out) in slice.chunks_exact_mut(width).enumerate() {
        out.fill(0.0);
        for (tap, &weight) in kernel.iter().enumerate().filter(|(_, weight)| **weight != 0.0) {
            let (down, right) = (tap / (2 * reach + 1), tap % (2 * reach + 1));
            add_scaled(out, &scratch[(y + down) * framed + right..][..width], weight);
        }
        for value in out {
            *value = clip(*value);
        }
    }
}
