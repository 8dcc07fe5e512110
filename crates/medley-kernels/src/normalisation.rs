//! Batch normalisation (Ioffe and Szegedy, *Batch Normalization*, 2015) with the sum and the `ReLU` that follow it in a residual network.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use std::ops::Range;

use crate::arithmetic::{Arithmetic, for_each_arithmetic};
use crate::error::{check_channels, check_length};
use crate::lanes::{LANES, Lanes};
use crate::shared::{Shared, for_each};
use crate::{KernelError, Number};

/// Batch normalisation of images with channels last: so many pixels, `[N, H, W]` in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchNorm {
    /// Pixels of all images, at least one.
    pub pixels: usize,
    /// Channels, a multiple of sixteen.
    pub channels: usize,
    /// Cores to use. The result does not depend on it.
    pub threads: usize,
}

/// What a batch is normalised by, for each channel, `[C]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    /// The mean over all pixels.
    pub mean: Vec<f64>,
    /// The mean of squares of what differs from it.
    pub variance: Vec<f64>,
}

impl Statistics {
    /// `weight (x - mean) / sqrt(variance + epsilon) + bias` as one line for each channel.
    ///
    /// # Errors
    /// [`KernelError::Length`] when `weight` and `bias` are of other channels.
    pub fn affine(&self, weight: &[f32], bias: &[f32], epsilon: f64) -> Result<Affine, KernelError> {
        check_length("a weight", weight.len(), self.mean.len())?;
        check_length("a bias", bias.len(), self.mean.len())?;
        let inverse_deviation: Vec<f64> =
            self.variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect();
        let both = inverse_deviation.iter().zip(weight);
        let scale: Vec<f64> = both.map(|(inverse, &weight)| inverse * f64::from(weight)).collect();
        let terms = scale.iter().zip(&self.mean).zip(bias);
        let shift = terms.map(|((scale, mean), &bias)| (f64::from(bias) - scale * mean) as f32).collect();
        let single = |values: &[f64]| values.iter().map(|&value| value as f32).collect();
        Ok(Affine { mean: single(&self.mean), inverse_deviation, scale: single(&scale), shift })
    }
}

/// The line `scale x + shift` that each channel of a batch goes through, with what its gradient needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Affine {
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse_deviation: Vec<f64>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

/// Pixels whose sums are kept in fp32 before they are added in 64 bits.
const CHUNK: usize = 512;
/// Pixels that say about where the mean is.
const SAMPLE: usize = 16;
/// Groups of channels whose sums are kept in registers.
const GROUPS: usize = 4;

impl BatchNorm {
    /// Mean and variance of each channel.
    ///
    /// # Errors
    /// [`KernelError`] when the slice does not fit.
    pub fn statistics<N: Number>(&self, x: &[N]) -> Result<Statistics, KernelError> {
        self.check(&[("the input", x)])?;
        // Squares of numbers far from zero would lose what they differ by: they are taken from near the mean.
        let origin = self.rough_mean(x);
        let [sums, squares] = self.sum(|pixels, to| sum_squares(x, self.channels, &origin, pixels, to));
        let count = self.pixels as f64;
        let mean_and_variance = sums.iter().zip(squares).zip(&origin).map(|((sum, square), &origin)| {
            let mean = sum / count;
            let variance = square / count - mean * mean;
            // Not `f64::max`, which forgets NaN.
            (f64::from(origin) + mean, if variance < 0.0 { 0.0 } else { variance })
        });
        let (mean, variance) = mean_and_variance.unzip();
        Ok(Statistics { mean, variance })
    }

    /// `y = scale x + shift + added`, and zero where that is below it, if `rectified`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn forward<N: Number>(
        &self,
        x: &[N],
        affine: &Affine,
        added: Option<&[N]>,
        rectified: bool,
        y: &mut [N],
    ) -> Result<(), KernelError> {
        self.check(&[("the input", x), ("what is added", added.unwrap_or(x)), ("the output", y)])?;
        self.check_channels(affine)?;
        let line = Line { scale: &affine.scale, shift: &affine.shift };
        self.write_chunks(y, |at, y| {
            let added = added.map(|added| &added[at.clone()]);
            apply_line(&x[at], line, added, rectified, y);
        });
        Ok(())
    }

    /// The gradient of `x`, from that of `y`, is written to `dx`; those of weight and bias, `[C]`, are returned. `rectified` says that
    /// nothing was added and `y` is zero where it was below.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn backward<N: Number>(
        &self,
        dy: &[N],
        x: &[N],
        affine: &Affine,
        rectified: bool,
        dx: &mut [N],
    ) -> Result<[Vec<f32>; 2], KernelError> {
        self.check(&[("the gradient", dy), ("the input", x), ("the gradient of the input", dx)])?;
        self.check_channels(affine)?;
        let rectified = rectified.then_some(Line { scale: &affine.scale, shift: &affine.shift });
        let [sums, products] =
            self.sum(|pixels, to| sum_gradients(dy, x, self.channels, &affine.mean, rectified, pixels, to));
        // With `x` normalised `n`: `dx = scale (dy - mean(dy) - n mean(dy n))`, as a line of `x - mean`.
        let count = self.pixels as f64;
        let (mut slopes, mut shifts) = (Vec::new(), Vec::new());
        for (channel, (sum, product)) in sums.iter().zip(&products).enumerate() {
            let (scale, inverse) = (f64::from(affine.scale[channel]), affine.inverse_deviation[channel]);
            slopes.push((-scale * inverse * inverse * product / count) as f32);
            shifts.push((-scale * sum / count) as f32);
        }
        let own = Line { scale: &slopes, shift: &shifts };
        self.write_chunks(dx, |at, dx| combine(&dy[at.clone()], &x[at], affine, own, rectified, dx));
        let weight =
            products.iter().zip(&affine.inverse_deviation).map(|(product, inverse)| (product * inverse) as f32);
        Ok([weight.collect(), sums.iter().map(|&sum| sum as f32).collect()])
    }

    /// The mean of each channel over a few pixels from all over the images.
    fn rough_mean<N: Number>(&self, x: &[N]) -> Vec<f32> {
        let count = SAMPLE.min(self.pixels);
        let mut means = vec![0.0; self.channels];
        for (group, mean) in means.chunks_exact_mut(LANES).enumerate() {
            let mut sum = Lanes::ZERO;
            for pixel in (0..count).map(|index| (2 * index + 1) * self.pixels / (2 * count)) {
                sum = sum + N::load(&x[pixel * self.channels + group * LANES..]);
            }
            (sum * (1.0 / count as f32)).store(mean);
        }
        means
    }

    fn check<N>(&self, images: &[(&'static str, &[N])]) -> Result<(), KernelError> {
        check_channels("an image", self.channels)?;
        if self.pixels == 0 {
            return Err(KernelError::Empty);
        }
        for (what, image) in images {
            check_length(what, image.len(), self.pixels.saturating_mul(self.channels))?;
        }
        Ok(())
    }

    fn check_channels(&self, affine: &Affine) -> Result<(), KernelError> {
        check_length("the line of each channel", affine.scale.len(), self.channels)
    }

    fn for_each_chunk(&self, work: impl Fn(Range<usize>) + Sync) {
        for_each(self.threads, self.pixels.div_ceil(CHUNK), |index| {
            work(index * CHUNK..self.pixels.min((index + 1) * CHUNK));
        });
    }

    /// Has each chunk written, from its numbers' indices.
    fn write_chunks<N: Number>(&self, to: &mut [N], write: impl Fn(Range<usize>, &mut [N]) + Sync) {
        let to = Shared::new(to);
        self.for_each_chunk(|pixels| {
            let at = pixels.start * self.channels..pixels.end * self.channels;
            // SAFETY: every pixel belongs to one chunk.
            #[allow(unsafe_code, reason = "chunks do not overlap")]
            let part = unsafe { to.part(at.start, at.len()) };
            write(at, part);
        });
    }

    /// Adds up what `sums` says of each chunk, `[2, C]`, in order.
    fn sum(&self, sums: impl Fn(Range<usize>, &mut [f32]) + Sync) -> [Vec<f64>; 2] {
        let len = 2 * self.channels;
        let mut parts = vec![0.0; self.pixels.div_ceil(CHUNK) * len];
        let all = Shared::new(&mut parts);
        self.for_each_chunk(|pixels| {
            // SAFETY: every chunk has sums of its own.
            #[allow(unsafe_code, reason = "chunks do not overlap")]
            let part = unsafe { all.part(pixels.start / CHUNK * len, len) };
            sums(pixels, part);
        });
        let mut total = vec![0.0; len];
        for part in parts.chunks_exact(len) {
            for (total, &value) in total.iter_mut().zip(part) {
                *total += f64::from(value);
            }
        }
        let second = total.split_off(self.channels);
        [total, second]
    }
}

/// `scale x + shift` for each channel.
#[derive(Clone, Copy)]
struct Line<'a> {
    scale: &'a [f32],
    shift: &'a [f32],
}

/// `f::<GROUPS>(first group)` for all groups of channels, several at a time.
macro_rules! for_each_group {
    ($channels:expr, |$first:ident, $groups:ident| $work:expr) => {{
        let count = $channels / LANES;
        let mut $first = 0;
        while $first + GROUPS <= count {
            const $groups: usize = GROUPS;
            $work;
            $first += GROUPS;
        }
        while $first < count {
            const $groups: usize = 1;
            $work;
            $first += 1;
        }
    }};
}

for_each_arithmetic! {
    /// Sums of `x - origin` and of its squares.
    fn sum_squares<N: Number>(x: &[N], channels: usize, origin: &[f32], pixels: Range<usize>, to: &mut [f32]) = squares
}

#[inline(always)]
fn squares<A: Arithmetic, N: Number>(x: &[N], channels: usize, origin: &[f32], pixels: Range<usize>, to: &mut [f32]) {
    for_each_group!(channels, |first, COUNT| {
        let at = first * LANES;
        let origin = load_all::<COUNT>(&origin[at..]);
        let (mut sums, mut squares) = ([Lanes::ZERO; COUNT], [Lanes::ZERO; COUNT]);
        for pixel in pixels.clone() {
            let x = &x[pixel * channels + at..][..COUNT * LANES];
            for group in 0..COUNT {
                let value = N::load(&x[group * LANES..]) - origin[group];
                sums[group] = sums[group] + value;
                squares[group] = squares[group].plus_product(value, value);
            }
        }
        store_all(&sums, &mut to[at..]);
        store_all(&squares, &mut to[channels + at..]);
    });
}

for_each_arithmetic! {
    /// Sums of `dy` and of `dy (x - mean)`, where the rectified line is above zero.
    fn sum_gradients<N: Number>(
        dy: &[N],
        x: &[N],
        channels: usize,
        mean: &[f32],
        rectified: Option<Line<'_>>,
        pixels: Range<usize>,
        to: &mut [f32],
    ) = gradients
}

#[inline(always)]
fn gradients<A: Arithmetic, N: Number>(
    dy: &[N],
    x: &[N],
    channels: usize,
    mean: &[f32],
    rectified: Option<Line<'_>>,
    pixels: Range<usize>,
    to: &mut [f32],
) {
    for_each_group!(channels, |first, COUNT| {
        let at = first * LANES;
        let mean = load_all::<COUNT>(&mean[at..]);
        let line = rectified.map(|line| (load_all::<COUNT>(&line.scale[at..]), load_all::<COUNT>(&line.shift[at..])));
        let (mut sums, mut products) = ([Lanes::ZERO; COUNT], [Lanes::ZERO; COUNT]);
        for pixel in pixels.clone() {
            let start = pixel * channels + at;
            let (dy, x) = (&dy[start..][..COUNT * LANES], &x[start..][..COUNT * LANES]);
            for group in 0..COUNT {
                let (mut dy, x) = (N::load(&dy[group * LANES..]), N::load(&x[group * LANES..]));
                if let Some((scale, shift)) = &line {
                    dy = dy.where_above_zero(shift[group].plus_product(scale[group], x));
                }
                sums[group] = sums[group] + dy;
                products[group] = products[group].plus_product(dy, x - mean[group]);
            }
        }
        store_all(&sums, &mut to[at..]);
        store_all(&products, &mut to[channels + at..]);
    });
}

for_each_arithmetic! {
    /// `y = line(x) + added`, rectified or not.
    fn apply_line<N: Number>(x: &[N], line: Line<'_>, added: Option<&[N]>, rectified: bool, y: &mut [N]) = lines
}

#[inline(always)]
fn lines<A: Arithmetic, N: Number>(x: &[N], line: Line<'_>, added: Option<&[N]>, rectified: bool, y: &mut [N]) {
    let channels = line.scale.len();
    for_each_group!(channels, |first, COUNT| {
        let at = first * LANES;
        let (scale, shift) = (load_all::<COUNT>(&line.scale[at..]), load_all::<COUNT>(&line.shift[at..]));
        for start in (at..y.len()).step_by(channels) {
            let (x, y) = (&x[start..][..COUNT * LANES], &mut y[start..][..COUNT * LANES]);
            let added = added.map(|added| &added[start..][..COUNT * LANES]);
            for group in 0..COUNT {
                let mut value = shift[group].plus_product(scale[group], N::load(&x[group * LANES..]));
                if let Some(added) = added {
                    value = value + N::load(&added[group * LANES..]);
                }
                if rectified {
                    value = value.larger(Lanes::ZERO);
                }
                N::store::<A>(value, &mut y[group * LANES..]);
            }
        }
    });
}

for_each_arithmetic! {
    /// `dx = scale dy + line(x - mean)`, with the scale and mean of `affine`.
    fn combine<N: Number>(
        dy: &[N],
        x: &[N],
        affine: &Affine,
        line: Line<'_>,
        rectified: Option<Line<'_>>,
        dx: &mut [N],
    ) = combinations
}

#[inline(always)]
fn combinations<A: Arithmetic, N: Number>(
    dy: &[N],
    x: &[N],
    affine: &Affine,
    line: Line<'_>,
    rectified: Option<Line<'_>>,
    dx: &mut [N],
) {
    let channels = affine.scale.len();
    for_each_group!(channels, |first, COUNT| {
        let at = first * LANES;
        let [mean, factor] = [&affine.mean, &affine.scale].map(|of| load_all::<COUNT>(&of[at..]));
        let all = |line: Line<'_>| (load_all::<COUNT>(&line.scale[at..]), load_all::<COUNT>(&line.shift[at..]));
        let ((slope, shift), rectified) = (all(line), rectified.map(all));
        for start in (at..dx.len()).step_by(channels) {
            let (dy, x) = (&dy[start..][..COUNT * LANES], &x[start..][..COUNT * LANES]);
            let dx = &mut dx[start..][..COUNT * LANES];
            for group in 0..COUNT {
                let (mut dy, x) = (N::load(&dy[group * LANES..]), N::load(&x[group * LANES..]));
                if let Some((scale, shift)) = &rectified {
                    dy = dy.where_above_zero(shift[group].plus_product(scale[group], x));
                }
                let own = shift[group].plus_product(slope[group], x - mean[group]);
                N::store::<A>(own.plus_product(factor[group], dy), &mut dx[group * LANES..]);
            }
        }
    });
}

#[inline(always)]
fn load_all<const COUNT: usize>(from: &[f32]) -> [Lanes; COUNT] {
    let mut all = [Lanes::ZERO; COUNT];
    for (group, lanes) in all.iter_mut().enumerate() {
        *lanes = Lanes::load(&from[group * LANES..]);
    }
    all
}

#[inline(always)]
fn store_all(all: &[Lanes], to: &mut [f32]) {
    for (group, lanes) in all.iter().enumerate() {
        lanes.store(&mut to[group * LANES..]);
    }
}
