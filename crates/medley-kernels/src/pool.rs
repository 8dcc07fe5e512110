//! The largest of four pixels.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::arithmetic::{Arithmetic, for_each_arithmetic};
use crate::error::{check_channels, check_length};
use crate::lanes::{LANES, Lanes};
use crate::{KernelError, Number};

/// Max-pooling of 2x2 pixels and what `ReLU` makes of it: images `[N, H, W, C]` to `[N, H / 2, W / 2, C]`, the last row and column left
/// out where their number is odd. A NaN among four pixels stays one, as in libtorch, whose bits these are.
///
/// # Errors
/// [`KernelError`] when the channels are not a multiple of sixteen, or a slice has not the length of its shape.
pub fn halve<N: Number>(x: &[N], shape: [usize; 4], y: &mut [N]) -> Result<(), KernelError> {
    check(shape, x.len(), y.len())?;
    if !y.is_empty() {
        let [_, height, width, channels] = shape;
        halve_images(x, height, width, channels, y);
    }
    Ok(())
}

/// The gradient of the input of [`halve`] from that of its output: it goes to the first of the largest pixels, and to none where that is
/// not above zero.
///
/// # Errors
/// As [`halve`].
pub fn halve_gradient<N: Number + Default>(
    dy: &[N],
    x: &[N],
    shape: [usize; 4],
    dx: &mut [N],
) -> Result<(), KernelError> {
    check(shape, x.len(), dy.len())?;
    check_length("the gradient of the input", dx.len(), x.len())?;
    let [_, height, width, channels] = shape;
    if height % 2 + width % 2 > 0 || dy.is_empty() {
        dx.fill(N::default());
    }
    if !dy.is_empty() {
        spread_images(dy, x, height, width, channels, dx);
    }
    Ok(())
}

fn check([images, height, width, channels]: [usize; 4], input: usize, output: usize) -> Result<(), KernelError> {
    check_channels("an image", channels)?;
    check_length("the input", input, images * height * width * channels)?;
    check_length("the output", output, images * (height / 2) * (width / 2) * channels)
}

for_each_arithmetic! {
    fn halve_images<N: Number>(x: &[N], height: usize, width: usize, channels: usize, y: &mut [N]) = images
}

#[inline(always)]
fn images<A: Arithmetic, N: Number>(x: &[N], height: usize, width: usize, channels: usize, y: &mut [N]) {
    let (down, across, line) = (height / 2, width / 2, width * channels);
    for (index, row) in y.chunks_exact_mut(across * channels).enumerate() {
        let (image, pair) = (index / down, index % down);
        let top = &x[(image * height + 2 * pair) * line..][..2 * line];
        let (top, bottom) = top.split_at(line);
        for (column, to) in row.chunks_exact_mut(channels).enumerate() {
            let at = 2 * column * channels;
            let (top, bottom) = (&top[at..][..2 * channels], &bottom[at..][..2 * channels]);
            for group in (0..channels).step_by(LANES) {
                let of = |pixels: &[N], right: usize| N::load(&pixels[right * channels + group..]);
                let largest = of(top, 0).larger(of(top, 1)).larger(of(bottom, 0)).larger(of(bottom, 1));
                N::store::<A>(largest.larger(Lanes::ZERO), &mut to[group..]);
            }
        }
    }
}

for_each_arithmetic! {
    fn spread_images<N: Number>(dy: &[N], x: &[N], height: usize, width: usize, channels: usize, dx: &mut [N]) = gradients
}

#[inline(always)]
fn gradients<A: Arithmetic, N: Number>(dy: &[N], x: &[N], height: usize, width: usize, channels: usize, dx: &mut [N]) {
    let (down, across, line) = (height / 2, width / 2, width * channels);
    for (index, dy) in dy.chunks_exact(across * channels).enumerate() {
        let top = (index / down * height + 2 * (index % down)) * line;
        let (x, dx) = (&x[top..][..2 * line], &mut dx[top..][..2 * line]);
        for (column, dy) in dy.chunks_exact(channels).enumerate() {
            for group in (0..channels).step_by(LANES) {
                let at = 2 * column * channels + group;
                let four = [at, at + channels, at + line, at + line + channels];
                // Not `map`, which is a function of its own.
                let mut values = [Lanes::ZERO; 4];
                for (value, at) in values.iter_mut().zip(four) {
                    *value = N::load(&x[at..]);
                }
                let largest = values[0].larger(values[1]).larger(values[2]).larger(values[3]);
                let mut left = N::load(&dy[group..]).where_above_zero(largest);
                for (at, value) in four.into_iter().zip(values) {
                    let own = left.where_equal(value, largest);
                    N::store::<A>(own, &mut dx[at..]);
                    left = left - own;
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::bf16;

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
    fn the_gradient_goes_to_the_first_of_the_largest() {
        // Of 3x5 pixels the last row and column have none.
        let mut x = [0.5_f32; 3 * 5 * 16];
        let mut put = |row: usize, column: usize, value: f32| x[(row * 5 + column) * 16..][..16].fill(value);
        put(0, 1, 2.0);
        put(1, 0, 2.0);
        for (row, column) in [(0, 2), (0, 3), (1, 2), (1, 3)] {
            put(row, column, -1.0);
        }
        let mut dx = [9.0; 3 * 5 * 16];
        let dy: Vec<f32> = [3.0, 4.0].into_iter().flat_map(|value| [value; 16]).collect();
        halve_gradient(&dy, &x, [1, 3, 5, 16], &mut dx).unwrap();
        for (pixel, values) in dx.chunks_exact(16).enumerate() {
            let wanted = if pixel == 1 { 3.0 } else { 0.0 };
            assert!(values.iter().all(|&value| value == wanted), "pixel {pixel}: {values:?}");
        }
    }

    #[test]
    fn in_bfloat16_the_largest_number_is_what_it_was() {
        let x: Vec<bf16> = (0..4 * 4 * 16).map(|at| bf16::from_f32((at as f32 * 12.9898).sin())).collect();
        let plain: Vec<f32> = x.iter().map(|value| value.to_f32()).collect();
        let (mut y, mut wanted) = ([bf16::ONE; 2 * 2 * 16], [9.0; 2 * 2 * 16]);
        halve(&x, [1, 4, 4, 16], &mut y).unwrap();
        halve(&plain, [1, 4, 4, 16], &mut wanted).unwrap();
        assert_eq!(y.map(bf16::to_f32), wanted);
    }

    #[test]
    fn what_is_no_number_stays_so() {
        let mut x = [1.0_f32; 2 * 2 * 16];
        (x[16], x[33]) = (f32::NAN, f32::NAN);
        let mut y = [0.0; 16];
        halve(&x, [1, 2, 2, 16], &mut y).unwrap();
        assert!(y[0].is_nan() && y[1].is_nan() && y[2..].iter().all(|&value| value == 1.0));
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        assert!(matches!(halve(&[0.0_f32; 64], [1, 2, 2, 15], &mut []), Err(KernelError::Channels { .. })));
        assert!(matches!(halve(&[0.0_f32; 64], [1, 2, 2, 16], &mut [0.0; 15]), Err(KernelError::Length { .. })));
        halve(&[0.0_f32; 16], [1, 1, 1, 16], &mut []).unwrap();
    }
}
