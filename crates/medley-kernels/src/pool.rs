//! Max-pooling of 2x2 pixels with `ReLU`.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::arithmetic::{Arithmetic, for_each_arithmetic};
use crate::error::{check_channels, check_length};
use crate::lanes::{LANES, Lanes};
use crate::shared::{Shared, for_each};
use crate::{KernelError, Number};

/// Max-pooling of 2x2 pixels with stride 2, and `ReLU` of the result: images `[N, H, W, C]` to `[N, H / 2, W / 2, C]`, the last row and column
/// left out where their number is odd. Of finite numbers the results are those of libtorch to the bit; NaN stays NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxPoolRelu {
    /// N
    pub images: usize,
    /// H
    pub height: usize,
    /// W
    pub width: usize,
    /// C, a multiple of sixteen.
    pub channels: usize,
    /// Cores to use. The result does not depend on it.
    pub threads: usize,
}

impl MaxPoolRelu {
    /// The output.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn forward<N: Number>(&self, x: &[N], y: &mut [N]) -> Result<(), KernelError> {
        self.check(("the input", x.len()), ("the output", y.len()))?;
        let (line, row, y) = (self.width * self.channels, self.width / 2 * self.channels, Shared::new(y));
        self.for_each_row(|index, top| {
            // SAFETY: every row of the output is written once.
            #[allow(unsafe_code, reason = "rows do not overlap")]
            let y = unsafe { y.part(index * row, row) };
            pool_row(&x[top..][..2 * line], self.channels, y);
        });
        Ok(())
    }

    /// The gradient of the input from that of the output: it goes to the first of the largest pixels, and to none where that is not above
    /// zero.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn backward<N: Number + Default>(&self, dy: &[N], x: &[N], dx: &mut [N]) -> Result<(), KernelError> {
        self.check(("the input", x.len()), ("the gradient of the output", dy.len()))?;
        check_length("the gradient of the input", dx.len(), x.len())?;
        if self.height % 2 + self.width % 2 > 0 {
            dx.fill(N::default());
        }
        let (line, row, dx) = (self.width * self.channels, self.width / 2 * self.channels, Shared::new(dx));
        self.for_each_row(|index, top| {
            // SAFETY: every two rows of the input are written once.
            #[allow(unsafe_code, reason = "rows do not overlap")]
            let dx = unsafe { dx.part(top, 2 * line) };
            spread_row(&dy[index * row..][..row], &x[top..][..2 * line], self.channels, dx);
        });
        Ok(())
    }

    /// Calls with the number of each row of the output, and where the two rows of the input begin that it is made of.
    fn for_each_row(&self, work: impl Fn(usize, usize) + Sync) {
        let (down, line) = (self.height / 2, self.width * self.channels);
        if self.width < 2 || down == 0 {
            return;
        }
        for_each(self.threads, self.images, |image| {
            for row in 0..down {
                work(image * down + row, (image * self.height + 2 * row) * line);
            }
        });
    }

    fn check(&self, input: (&'static str, usize), output: (&'static str, usize)) -> Result<(), KernelError> {
        let Self { images, height, width, channels, .. } = *self;
        check_channels("an image", channels)?;
        check_length(input.0, input.1, images * height * width * channels)?;
        check_length(output.0, output.1, images * (height / 2) * (width / 2) * channels)
    }
}

for_each_arithmetic! {
    /// A row of the output from two of the input.
    fn pool_row<N: Number>(x: &[N], channels: usize, y: &mut [N]) = largest
}

#[inline(always)]
fn largest<A: Arithmetic, N: Number>(x: &[N], channels: usize, y: &mut [N]) {
    for (column, to) in y.chunks_exact_mut(channels).enumerate() {
        for group in (0..channels).step_by(LANES) {
            let [first, second, third, fourth] = window(x, channels, column, group);
            let value = |at: usize| N::load(&x[at..]);
            let largest = value(first).larger(value(second)).larger(value(third)).larger(value(fourth));
            N::store::<A>(largest.larger(Lanes::ZERO), &mut to[group..]);
        }
    }
}

for_each_arithmetic! {
    /// Two rows of the gradient of the input from one of that of the output.
    fn spread_row<N: Number>(dy: &[N], x: &[N], channels: usize, dx: &mut [N]) = gradients
}

#[inline(always)]
fn gradients<A: Arithmetic, N: Number>(dy: &[N], x: &[N], channels: usize, dx: &mut [N]) {
    for (column, dy) in dy.chunks_exact(channels).enumerate() {
        for group in (0..channels).step_by(LANES) {
            let places = window(x, channels, column, group);
            let mut values = [Lanes::ZERO; 4];
            for (value, at) in values.iter_mut().zip(places) {
                *value = N::load(&x[at..]);
            }
            let largest = values[0].larger(values[1]).larger(values[2]).larger(values[3]);
            let mut left = N::load(&dy[group..]).where_above_zero(largest);
            for (at, value) in places.into_iter().zip(values) {
                let own = left.where_equal(value, largest);
                N::store::<A>(own, &mut dx[at..]);
                left = left - own;
            }
        }
    }
}

/// Where the sixteen channels from `group` on of four pixels lie in two rows.
#[inline(always)]
fn window<N>(x: &[N], channels: usize, column: usize, group: usize) -> [usize; 4] {
    let (at, below) = (2 * column * channels + group, x.len() / 2);
    [at, at + channels, at + below, at + below + channels]
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::bf16;

    /// One image of sixteen channels.
    fn layer(height: usize, width: usize) -> MaxPoolRelu {
        MaxPoolRelu { images: 1, height, width, channels: 16, threads: 1 }
    }

    #[test]
    fn each_pixel_is_the_largest_of_four_and_not_below_zero() {
        let (images, height, width, channels) = (2, 5, 6, 32);
        let layer = MaxPoolRelu { images, height, width, channels, threads: 2 };
        let x: Vec<f32> = (0..images * height * width * channels).map(|at| (at as f32 * 12.9898).sin() - 0.5).collect();
        let mut y = vec![9.0; images * 2 * 3 * channels];
        layer.forward(&x, &mut y).unwrap();
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
        layer(3, 5).backward(&dy, &x, &mut dx).unwrap();
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
        layer(4, 4).forward(&x, &mut y).unwrap();
        layer(4, 4).forward(&plain, &mut wanted).unwrap();
        assert_eq!(y.map(bf16::to_f32), wanted);
    }

    #[test]
    fn what_is_no_number_stays_so() {
        let mut x = [1.0_f32; 2 * 2 * 16];
        (x[16], x[33]) = (f32::NAN, f32::NAN);
        let mut y = [0.0; 16];
        layer(2, 2).forward(&x, &mut y).unwrap();
        assert!(y[0].is_nan() && y[1].is_nan() && y[2..].iter().all(|&value| value == 1.0));
    }

    #[test]
    fn slices_that_do_not_fit_are_refused() {
        let odd = MaxPoolRelu { channels: 15, ..layer(2, 2) };
        assert!(matches!(odd.forward(&[0.0_f32; 60], &mut [0.0; 15]), Err(KernelError::Channels { .. })));
        assert!(matches!(layer(2, 2).forward(&[0.0_f32; 64], &mut [0.0; 15]), Err(KernelError::Length { .. })));
        let gradient = layer(2, 2).backward(&[0.0_f32; 15], &[0.0; 64], &mut [0.0; 64]).unwrap_err();
        assert_eq!(gradient.to_string(), "the gradient of the output has 15 numbers where its shape says 16");
        layer(1, 1).forward(&[0.0_f32; 16], &mut []).unwrap();
        let mut dx = [9.0_f32; 16];
        layer(1, 1).backward(&[], &[1.0; 16], &mut dx).unwrap();
        assert_eq!(dx, [0.0; 16]);
    }
}
