//! Blur and colour of lenses.

use crate::kernel::blur::{add_scaled, convolve_square};
use crate::planes::Scratch;
use crate::{ImagePlanes, Map, Random};

/// Each point becomes a disc of this radius in pixels, its rim as smooth as pixels allow.
pub(super) fn defocus(image: &mut ImagePlanes<'_>, radius: f32) {
    let reach = (radius + 0.5).ceil() as i64;
    square_kernel(image, reach, |kernel, side| {
        // Coverage of each pixel by 8 x 8 samples.
        for (place, weight) in kernel.iter_mut().enumerate() {
            let (y, x) = (place as i64 / side - reach, place as i64 % side - reach);
            let inside = |sample: i64| {
                let fine = |whole: i64, step: i64| whole as f32 + (step as f32 + 0.5) / 8.0 - 0.5;
                let (y, x) = (fine(y, sample / 8), fine(x, sample % 8));
                y * y + x * x <= radius * radius
            };
            *weight = (0..64).filter(|&sample| inside(sample)).count() as f32;
        }
    });
}

/// Each point becomes a line that fades with this standard deviation in pixels, in a direction up to 45 degrees from horizontal.
pub(super) fn motion(image: &mut ImagePlanes<'_>, deviation: f32, random: &mut Random) {
    let angle = random.between(-45.0, 45.0).to_radians();
    let (sin, cos) = libm::sincosf(angle);
    let long = 2.0 * deviation;
    let reach = long.ceil() as i64 + 1;
    square_kernel(image, reach, |kernel, side| {
        let steps = (long * 4.0).ceil().max(1.0) as i64;
        for step in 0..=steps {
            let along = long * step as f32 / steps as f32;
            let weight = libm::expf(-0.5 * (along / deviation) * (along / deviation));
            let (y, x) = (along * sin, along * cos);
            let (top, left) = (y.floor(), x.floor());
            let (down, right) = (y - top, x - left);
            let mut add = |y: i64, x: i64, share: f32| {
                kernel[((y + reach) * side + x + reach) as usize] += weight * share;
            };
            let (top, left) = (top as i64, left as i64);
            add(top, left, (1.0 - down) * (1.0 - right));
            add(top, left + 1, (1.0 - down) * right);
            add(top + 1, left, down * (1.0 - right));
            add(top + 1, left + 1, down * right);
        }
    });
}

/// Fills a kernel of `2 * reach + 1` pixels a side, makes it sum to 1, and convolves every slice with it.
fn square_kernel(image: &mut ImagePlanes<'_>, reach: i64, fill: impl FnOnce(&mut [f32], i64)) {
    let [_, height, width] = image.lengths();
    let (pixels, Scratch { floats, kernel, .. }) = image.with_scratch();
    let side = 2 * reach + 1;
    kernel.clear();
    kernel.resize((side * side) as usize, 0.0);
    fill(kernel, side);
    let sum: f32 = kernel.iter().sum();
    if sum > 0.0 {
        for weight in kernel.iter_mut() {
            *weight /= sum;
        }
        for slice in pixels.chunks_exact_mut(height * width) {
            convolve_square(slice, width, kernel, reach as usize, floats);
        }
    }
}

/// The mean of zooms from 1 to `most`.
pub(super) fn zoom(image: &mut ImagePlanes<'_>, most: f32) {
    const ZOOMS: usize = 11;
    let (pixels, scratch) = image.with_scratch();
    let [mut original, mut sum, spare] = std::mem::take(&mut scratch.copies);
    original.clear();
    original.extend_from_slice(pixels);
    sum.clear();
    sum.resize(original.len(), 0.0);
    for step in 0..ZOOMS {
        let scale = 1.0 + f64::from(most - 1.0) * step as f64 / (ZOOMS - 1) as f64;
        image.pixels_mut().copy_from_slice(&original);
        image.warp(&Map::affine(0.0, [0.0, 0.0], scale, [0.0, 0.0]));
        add_scaled(&mut sum, image.pixels(), 1.0 / ZOOMS as f32);
    }
    for (value, sum) in image.pixels_mut().iter_mut().zip(&sum) {
        *value = sum.min(1.0);
    }
    image.with_scratch().1.copies = [original, sum, spare];
}

/// Adds to the saturation of HSV. Greys stay grey, as they have no hue.
pub(super) fn saturate(image: &mut ImagePlanes<'_>, amount: f32) {
    let Some([red, green, blue]) = image.rgb_mut() else { return };
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        let most = red.max(*green).max(*blue);
        let least = red.min(*green).min(*blue);
        if most > least {
            let saturation = (most - least) / most;
            let factor = (saturation + amount).min(1.0) / saturation;
            for value in [red, green, blue] {
                *value = (most - (most - *value) * factor).clamp(0.0, 1.0);
            }
        }
    }
}
