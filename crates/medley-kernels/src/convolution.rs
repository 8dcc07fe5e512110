use crate::lanes::LANES;
use crate::shared::{Shared, for_each, with_scratch};
use crate::tiles::{
    Grid, Layout, Taps, kernel_len, multiply, multiply_transposed, transform_input, transform_kernel,
    transform_kernel_gradient, transform_output, transform_output_gradient,
};
use crate::transforms::{ELEMENTS, KERNEL};

/// Why a convolution cannot be computed here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KernelError {
    /// Sixteen channels are worked on at a time.
    #[error("{what} of {channels} channels; these kernels take multiples of {LANES}")]
    Channels {
        /// Input or output.
        what: &'static str,
        /// Its number of channels.
        channels: usize,
    },
    /// A slice has not the length of its shape.
    #[error("{what} has {found} numbers where its shape says {wanted}")]
    Length {
        /// Which argument.
        what: &'static str,
        /// Its length.
        found: usize,
        /// The product of its shape.
        wanted: usize,
    },
}

/// A convolution of 3x3, stride 1, a border of one zero: `[N, H, W, inputs]` to `[N, H, W, outputs]`, f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// N
    pub images: usize,
    /// H
    pub height: usize,
    /// W
    pub width: usize,
    /// Channels of the input, a multiple of sixteen.
    pub inputs: usize,
    /// Channels of the output, a multiple of sixteen.
    pub outputs: usize,
    /// Cores to use. The result does not depend on it.
    pub threads: usize,
}

/// A weight `[outputs, inputs, 3, 3]` in either order in memory.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    weight: &'a [f32],
    order: Order,
}

/// How far apart in memory the numbers of a weight are, by its axes; those of the kernel count as one.
#[derive(Debug, Clone, Copy)]
struct Order {
    output: usize,
    input: usize,
    tap: usize,
}

impl Order {
    fn contiguous(inputs: usize) -> Self {
        Self { output: inputs * KERNEL * KERNEL, input: KERNEL * KERNEL, tap: 1 }
    }
}

impl<'a> Kernel<'a> {
    /// Taps beside each other: `[outputs, inputs, 3, 3]`.
    pub fn contiguous(weight: &'a [f32], inputs: usize) -> Self {
        Self { weight, order: Order::contiguous(inputs) }
    }

    /// Input channels beside each other: `[outputs, 3, 3, inputs]`.
    pub fn channels_last(weight: &'a [f32], inputs: usize) -> Self {
        Self { weight, order: Order { output: inputs * KERNEL * KERNEL, input: 1, tap: inputs } }
    }
}

/// A weight in the basis in which the products are computed, for layers whose weight stays as it is.
#[derive(Debug, Clone)]
pub struct TransformedKernel {
    numbers: Vec<f32>,
    inputs: usize,
    outputs: usize,
}

impl TransformedKernel {
    /// Transforms a weight `[outputs, inputs, 3, 3]`.
    ///
    /// # Errors
    /// [`KernelError`] when it has not so many numbers, or the channels are not multiples of sixteen.
    pub fn new(w: Kernel<'_>, inputs: usize, outputs: usize) -> Result<Self, KernelError> {
        let layer = Convolution { images: 0, height: 0, width: 0, inputs, outputs, threads: 1 };
        layer.check(&[], &[], w.weight)?;
        let mut numbers = vec![0.0; kernel_len(outputs, inputs)];
        layer.transform(&layer.side(w), &mut numbers);
        Ok(Self { numbers, inputs, outputs })
    }
}

/// A weight as the output sees it, or as the input does when gradients go back.
struct Side<'a> {
    weight: &'a [f32],
    taps: Taps,
    /// Channels that are summed over.
    depth: usize,
    /// Channels that come out.
    lanes: usize,
}

/// Transformed tiles beside the products of all elements should stay in the cache of the second or third level: numbers of both.
const BLOCK: usize = 400_000;
/// Rows that products take at a time, of any processor.
const ROWS: usize = 12;

impl Convolution {
    /// `y = x * w + bias`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn forward(&self, x: &[f32], w: Kernel<'_>, bias: Option<&[f32]>, y: &mut [f32]) -> Result<(), KernelError> {
        self.check(x, y, w.weight)?;
        self.check_bias(bias)?;
        self.convolve(&self.side(w), x, bias, y);
        Ok(())
    }

    /// As [`Self::forward`], to the same bits, with a weight that was transformed before.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit, or the weight is of another layer.
    pub fn forward_transformed(
        &self,
        x: &[f32],
        w: &TransformedKernel,
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) -> Result<(), KernelError> {
        self.check_pixels(x, y)?;
        length("the input channels of the weight", w.inputs, self.inputs)?;
        length("the output channels of the weight", w.outputs, self.outputs)?;
        self.check_bias(bias)?;
        self.products(&w.numbers, self.inputs, self.outputs, x, bias, y);
        Ok(())
    }

    /// The gradient of `x` from that of `y`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn input_gradient(&self, dy: &[f32], w: Kernel<'_>, dx: &mut [f32]) -> Result<(), KernelError> {
        self.check(dx, dy, w.weight)?;
        let taps = Taps { lane: w.order.input, depth: w.order.output, tap: w.order.tap, rotated: true };
        let side = Side { weight: w.weight, taps, depth: self.outputs, lanes: self.inputs };
        self.convolve(&side, dy, None, dx);
        Ok(())
    }

    /// The gradient of `w` from that of `y`, `[outputs, inputs, 3, 3]`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn weight_gradient(&self, x: &[f32], dy: &[f32], dw: &mut [f32]) -> Result<(), KernelError> {
        self.check(x, dy, dw)?;
        let (inputs, outputs) = (self.inputs, self.outputs);
        let (from, to) = (self.grid(inputs), self.grid(outputs));
        let tiles = from.tiles();
        if tiles == 0 {
            dw.fill(0.0);
            return Ok(());
        }
        let block = self.block(tiles, 1);
        let element = inputs * outputs;
        with_scratch(kernel_len(outputs, inputs), |u| {
            with_scratch(ELEMENTS * block * (inputs + outputs), |scratch| {
                let (v, p) = scratch.split_at_mut(ELEMENTS * block * inputs);
                for first in (0..tiles).step_by(block) {
                    let count = block.min(tiles - first);
                    // All tiles of sixteen channels beside each other.
                    let layout =
                        |channels: usize| Layout { element: count * channels, tile: LANES, group: count * LANES };
                    transform_input(&from, x, first, count, v, layout(inputs));
                    transform_output_gradient(&to, dy, first, count, p, layout(outputs));
                    let (v, p, all) = (&*v, &*p, Shared::new(u));
                    for_each(self.threads, ELEMENTS, |index| {
                        // SAFETY: every element has a block of its own.
                        #[allow(unsafe_code, reason = "elements do not overlap")]
                        let u = unsafe { all.part(index * element, element) };
                        let v = &v[index * count * inputs..][..count * inputs];
                        let p = &p[index * count * outputs..][..count * outputs];
                        multiply_transposed(count, v, p, u, first > 0);
                    });
                }
            });
            let order = Order::contiguous(inputs);
            let taps = Taps { lane: order.output, depth: order.input, tap: order.tap, rotated: false };
            let (u, dw) = (&*u, Shared::new(dw));
            for_each(self.threads, outputs / LANES, |panel| {
                transform_kernel_gradient(u, element, panel, inputs, dw, taps);
            });
        });
        Ok(())
    }

    /// The weight as the output sees it.
    fn side<'a>(&self, w: Kernel<'a>) -> Side<'a> {
        let taps = Taps { lane: w.order.output, depth: w.order.input, tap: w.order.tap, rotated: false };
        Side { weight: w.weight, taps, depth: self.inputs, lanes: self.outputs }
    }

    /// `y = x * w + bias`, with the channels that are summed over and those that come out as the weight's axes have them.
    fn convolve(&self, side: &Side<'_>, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        with_scratch(kernel_len(side.lanes, side.depth), |kernel| {
            self.transform(side, kernel);
            self.products(kernel, side.depth, side.lanes, x, bias, y);
        });
    }

    fn transform(&self, side: &Side<'_>, kernel: &mut [f32]) {
        let &Side { weight, taps, depth, lanes } = side;
        let (all, element) = (Shared::new(kernel), depth * lanes);
        for_each(self.threads, lanes / LANES, |panel| transform_kernel(weight, taps, panel, depth, all, element));
    }

    /// As [`Self::convolve`], with a transformed kernel.
    fn products(&self, kernel: &[f32], depth: usize, lanes: usize, x: &[f32], bias: Option<&[f32]>, y: &mut [f32]) {
        let (from, to) = (self.grid(depth), self.grid(lanes));
        let (tiles, element) = (from.tiles(), depth * lanes);
        let y = Shared::new(y);
        let block = self.block(tiles, self.threads);
        for_each(self.threads, tiles.div_ceil(block.max(1)), |turn| {
            let first = turn * block;
            let count = block.min(tiles - first);
            // One cache line more between rows, so that they do not fall on the same ones.
            let (left, right) = (depth + LANES, lanes + LANES);
            with_scratch(ELEMENTS * count * (left + right), |scratch| {
                let (v, m) = scratch.split_at_mut(ELEMENTS * count * left);
                let layout = Layout { element: count * left, tile: left, group: LANES };
                transform_input(&from, x, first, count, v, layout);
                for index in 0..ELEMENTS {
                    let v = &v[index * count * left..][..count * left];
                    let m = &mut m[index * count * right..][..count * right];
                    multiply(count, depth, v, left, &kernel[index * element..][..element], m, right);
                }
                let layout = Layout { element: count * right, tile: right, group: LANES };
                transform_output(&to, m, layout, bias, first, count, y);
            });
        });
    }

    /// Tiles that are transformed before they are multiplied.
    fn block(&self, tiles: usize, threads: usize) -> usize {
        let cached = BLOCK / (ELEMENTS * (self.inputs + self.outputs));
        let fair = tiles.div_ceil(threads.max(1));
        cached.clamp(96, 384).min(fair).next_multiple_of(ROWS)
    }

    fn grid(&self, channels: usize) -> Grid {
        Grid { images: self.images, height: self.height, width: self.width, channels }
    }

    /// Whether there are kernels for so many channels.
    pub fn takes(inputs: usize, outputs: usize) -> bool {
        [inputs, outputs].iter().all(|&channels| channels > 0 && channels.is_multiple_of(LANES))
    }

    fn check(&self, x: &[f32], y: &[f32], w: &[f32]) -> Result<(), KernelError> {
        self.check_pixels(x, y)?;
        length("the weight", w.len(), self.inputs * self.outputs * KERNEL * KERNEL)
    }

    fn check_bias(&self, bias: Option<&[f32]>) -> Result<(), KernelError> {
        bias.map_or(Ok(()), |bias| length("bias", bias.len(), self.outputs))
    }

    fn check_pixels(&self, x: &[f32], y: &[f32]) -> Result<(), KernelError> {
        for (what, channels) in [("an input", self.inputs), ("an output", self.outputs)] {
            if !Self::takes(channels, channels) {
                return Err(KernelError::Channels { what, channels });
            }
        }
        length("the input", x.len(), self.grid(self.inputs).len())?;
        length("the output", y.len(), self.grid(self.outputs).len())
    }
}

fn length(what: &'static str, found: usize, wanted: usize) -> Result<(), KernelError> {
    if found == wanted { Ok(()) } else { Err(KernelError::Length { what, found, wanted }) }
}
