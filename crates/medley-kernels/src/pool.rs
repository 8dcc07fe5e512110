//! The largest of four pixels.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::KernelError;
use crate::lanes::{LANES, Lanes};
use crate::processor::for_each_processor;

/// Max-pooling of 2x2 pixels and what `ReLU` makes of it: images `[N, H, W, C]` to `[N, H / 2, W / 2, C]`, the last row and column left
/// out where their number is odd. A NaN among four pixels stays one, as in libtorch, whose bits these are.
///
/// # Errors
/// [`KernelError`] when the channels are not a multiple of sixteen, or a slice has not the length of its shape.
pub fn halve(x: &[f32], [images, height, width, channels]: [usize; 4], y: &mut [f32]) -> Result<(), KernelError> {
    if channels == 0 || !channels.is_multiple_of(LANES) {
        return Err(KernelError::Channels { what: "an image", channels });
    }
    let (down, across) = (height / 2, width / 2);
    for (what, found, wanted) in [
        ("the input", x.len(), images * height * width * channels),
        ("the output", y.len(), images * down * across * channels),
    ] {
        if found != wanted {
            return Err(KernelError::Length { what, found, wanted });
        }
    }
    if !y.is_empty() {
        halve_images(x, height, width, channels, y);
    }
    Ok(())
}

for_each_processor! {
    fn halve_images(x: &[f32], height: usize, width: usize, channels: usize, y: &mut [f32]) = images
}

#[inline(always)]
fn images<const ROWS: usize>(x: &[f32], height: usize, width: usize, channels: usize, y: &mut [f32]) {
    let (down, across, line) = (height / 2, width / 2, width * channels);
    for (index, row) in y.chunks_exact_mut(across * channels).enumerate() {
        let (image, pair) = (index / down, index % down);
        let top = &x[(image * height + 2 * pair) * line..][..2 * line];
        let (top, bottom) = top.split_at(line);
        for (column, to) in row.chunks_exact_mut(channels).enumerate() {
            let at = 2 * column * channels;
            let (top, bottom) = (&top[at..][..2 * channels], &bottom[at..][..2 * channels]);
            for group in (0..channels).step_by(LANES) {
                let of = |pixels: &[f32], right: usize| Lanes::load(&pixels[right * channels + group..]);
                let largest = of(top, 0).larger(of(top, 1)).larger(of(bottom, 0)).larger(of(bottom, 1));
                largest.larger(Lanes::ZERO).store(&mut to[group..]);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn each_pixel_is_the_largest_of_four_and_not_below_zero() {
        let (images, height, width, channels) = (2, 5, 6, 32);
        let x: Vec<f32> = (0..images * height * width * channels).map(|at| (at as f32 * 12.9898).sin() - 0.5).collect();
        let mut y = vec![9.0; images * 2 * 3 * channels];
        halve(&x, [images, height, width, channels], &mut y).unwrap();
        let at = |image: usize, row: usize, column: usize, channel: usize| {
            x[((image * height + row) * width + column) * channels + channel]
        };
        for (index, &found) in y.iter().enumerate() {
            let (channel, column) = (index % channels, index / channels % 3);
            let (row, image) = (index / channels / 3 % 2, index / channels / 6);
            let four = [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(r, c)| at(image, 2 * row + r, 2 * column + c, channel));
            assert_eq!(found, four.into_iter().fold(0.0, f32::max));
        }
    }

    #[test]
    fn what_is_no_number_stays_so() {
        let mut x = [1.0; 2 * 2 * 16];
        (x[16], x[33]) = (f32::NAN, f32::NAN);
        let mut y = [0.0; 16];
        halve(&x, [1, 2, 2, 16], &mut y).unwrap();
        assert!(y[0].is_nan() && y[1].is_nan() && y[2..].iter().all(|&value| value == 1.0));
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        assert!(matches!(halve(&[0.0; 64], [1, 2, 2, 15], &mut []), Err(KernelError::Channels { .. })));
        assert!(matches!(halve(&[0.0; 64], [1, 2, 2, 16], &mut [0.0; 15]), Err(KernelError::Length { .. })));
        halve(&[0.0; 16], [1, 1, 1, 16], &mut []).unwrap();
    }
}
