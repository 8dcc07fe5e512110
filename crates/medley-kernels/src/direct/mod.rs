//! Convolutions computed as they are written, for what Winograd's algorithm does not take: strides, filters of one pixel, volumes.

mod geometry;
mod outputs;
mod taps;
mod weight_gradient;

use std::ops::Range;

use half::bf16;

use self::geometry::{Direction, Pass, Volume};
use self::outputs::products;
use self::taps::{Tap, Taps};
use self::weight_gradient::{Unit, weight_gradient};
use crate::KernelError;
use crate::error::{check_channels, check_length};
use crate::lanes::LANES;
use crate::shared::with_scratch;
use crate::weights::Kernel;

/// Filters of one shape: all of a layer, or those that lie in one plane of volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filters {
    /// Their number.
    pub outputs: usize,
    /// Sides along depth, height and width.
    pub kernel: [usize; 3],
    /// Zeros around the input, on both sides of each axis.
    pub padding: [usize; 3],
}

/// The shape of a [`DirectConvolution`]. Images are volumes of depth 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Geometry {
    /// N
    pub images: usize,
    /// Depth, height and width of the input.
    pub size: [usize; 3],
    /// Channels of the input, a multiple of sixteen.
    pub inputs: usize,
    /// The filters in the order of the output's channels, a multiple of sixteen in all. Their kernels have the same number of taps, and
    /// their outputs the same size.
    pub filters: Vec<Filters>,
    /// Step along each axis.
    pub stride: usize,
    /// Cores to use. The result does not depend on it.
    pub threads: usize,
}

/// A convolution of any kernel, stride and padding, `[N, D, H, W, inputs]` to `[N, D', H', W', outputs]` in bf16, with sums in fp32. Products
/// with the border are left out: a third of them for a kernel of 3x3 on 4x4 pixels.
#[derive(Debug, Clone)]
pub struct DirectConvolution {
    geometry: Geometry,
    output_size: [usize; 3],
    outputs: usize,
    /// Taps of a kernel.
    taps: usize,
}

impl DirectConvolution {
    /// Checks that there is such a convolution.
    ///
    /// # Errors
    /// [`KernelError`] when channels are not multiples of sixteen, a kernel is larger than the padded input, or filters do not
    /// belong together.
    pub fn new(geometry: Geometry) -> Result<Self, KernelError> {
        let outputs = geometry.filters.iter().map(|filters| filters.outputs).sum();
        check_channels("an input", geometry.inputs)?;
        check_channels("an output", outputs)?;
        let sizes = geometry.filters.iter().map(|filters| output_size(&geometry, filters)).collect::<Option<Vec<_>>>();
        let sizes = sizes.ok_or(KernelError::Geometry("a stride of 0, or a kernel larger than the padded input"))?;
        let taps: Vec<usize> = geometry.filters.iter().map(|filters| filters.kernel.iter().product()).collect();
        if sizes.windows(2).any(|two| two[0] != two[1]) || taps.windows(2).any(|two| two[0] != two[1]) {
            return Err(KernelError::Geometry("filters whose outputs or kernels are not of one size"));
        }
        Ok(Self { output_size: sizes[0], outputs, taps: taps[0], geometry })
    }

    /// Depth, height and width of the output.
    pub fn output_size(&self) -> [usize; 3] {
        self.output_size
    }

    /// `y = x * w + bias`, with a weight of `[outputs, inputs, taps]`, the taps of each kernel in the order of its axes, and a bias of
    /// `[outputs]`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn forward(&self, x: &[bf16], w: Kernel<'_>, bias: Option<&[f32]>, y: &mut [bf16]) -> Result<(), KernelError> {
        self.check(x, y, w.weight)?;
        bias.map_or(Ok(()), |bias| check_length("bias", bias.len(), self.outputs))?;
        self.convolve(Direction::Forward, &self.forward_taps(w), w, x, bias, y);
        Ok(())
    }

    /// The gradient of `x` from that of `y`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn input_gradient(&self, dy: &[bf16], w: Kernel<'_>, dx: &mut [bf16]) -> Result<(), KernelError> {
        self.check(dx, dy, w.weight)?;
        self.convolve(Direction::Backward, &self.backward_taps(w), w, dy, None, dx);
        Ok(())
    }

    /// The gradient of `w` from that of `y`, in the order of [`Kernel::channels_last`].
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn weight_gradient(&self, x: &[bf16], dy: &[bf16], dw: &mut [f32]) -> Result<(), KernelError> {
        self.check(x, dy, dw)?;
        let Geometry { images, threads, .. } = self.geometry;
        let units: Vec<Unit> =
            self.filters().into_iter().flat_map(|(outputs, offsets)| Unit::of(outputs, &offsets)).collect();
        weight_gradient(&self.pass(Direction::Forward), &units, [images, threads], [x, dy], dw);
        Ok(())
    }

    fn convolve(
        &self,
        direction: Direction,
        taps: &Taps,
        w: Kernel<'_>,
        x: &[bf16],
        bias: Option<&[f32]>,
        y: &mut [bf16],
    ) {
        let Geometry { images, threads, .. } = self.geometry;
        with_scratch(taps.packed_len, |weights| {
            taps.pack(threads, w.weight, weights);
            products(&self.pass(direction), taps, [images, threads], weights, x, bias, y);
        });
    }

    fn pass(&self, direction: Direction) -> Pass {
        let input = Volume { size: self.geometry.size, channels: self.geometry.inputs };
        let output = Volume { size: self.output_size, channels: self.outputs };
        let [from, to] = match direction {
            Direction::Forward => [input, output],
            Direction::Backward => [output, input],
        };
        Pass { direction, stride: self.geometry.stride, from, to }
    }

    /// Of each sixteen outputs the offsets at which any of their filters has a tap.
    fn forward_taps(&self, w: Kernel<'_>) -> Taps {
        let [output, input, tap] = w.strides(self.geometry.inputs, self.taps);
        let filters = self.filters();
        let group = |first: usize| {
            let mut taps: Vec<Tap> = Vec::new();
            for (outputs, offsets) in &filters {
                for lane in outputs.start.max(first)..outputs.end.min(first + LANES) {
                    for (index, &offset) in offsets.iter().enumerate() {
                        let place = taps.iter().position(|tap| tap.offset == offset).unwrap_or_else(|| {
                            taps.push(Tap { offset, depths: 0..self.geometry.inputs, lanes: [None; LANES] });
                            taps.len() - 1
                        });
                        taps[place].lanes[lane - first] = Some(lane * output + index * tap);
                    }
                }
            }
            taps
        };
        Taps::new((0..self.outputs).step_by(LANES).map(group).collect(), input)
    }

    /// For each sixteen inputs all taps of all filters, which read the outputs of these filters.
    fn backward_taps(&self, w: Kernel<'_>) -> Taps {
        let [output, input, tap] = w.strides(self.geometry.inputs, self.taps);
        let filters = self.filters();
        let group = |first: usize| {
            let lanes = |index: usize| std::array::from_fn(|lane| Some((first + lane) * input + index * tap));
            let of = |(outputs, offsets): &(Range<usize>, Vec<[isize; 3]>)| {
                let tap = |(index, &offset)| Tap { offset, depths: outputs.clone(), lanes: lanes(index) };
                offsets.iter().enumerate().map(tap).collect::<Vec<_>>()
            };
            filters.iter().flat_map(of).collect()
        };
        Taps::new((0..self.geometry.inputs).step_by(LANES).map(group).collect(), output)
    }

    /// Which outputs each filters have, and where their taps lie as seen from `stride` times the place of an output.
    fn filters(&self) -> Vec<(Range<usize>, Vec<[isize; 3]>)> {
        let mut start = 0;
        let of = |filters: &Filters| {
            let outputs = start..start + filters.outputs;
            start = outputs.end;
            let [depth, height, width] = filters.kernel;
            let taps =
                (0..depth * height * width).map(|tap| [tap / (height * width), tap / width % height, tap % width]);
            let offset =
                |at: [usize; 3]| std::array::from_fn(|axis| at[axis] as isize - filters.padding[axis] as isize);
            (outputs, taps.map(offset).collect())
        };
        self.geometry.filters.iter().map(of).collect()
    }

    fn check(&self, x: &[bf16], y: &[bf16], w: &[f32]) -> Result<(), KernelError> {
        let Geometry { images, size, inputs, .. } = &self.geometry;
        check_length("the input", x.len(), images * size.iter().product::<usize>() * inputs)?;
        check_length("the output", y.len(), images * self.output_size.iter().product::<usize>() * self.outputs)?;
        check_length("the weight", w.len(), self.outputs * inputs * self.taps)
    }
}

/// `None` without a place for the kernel.
fn output_size(geometry: &Geometry, filters: &Filters) -> Option<[usize; 3]> {
    let mut sizes = [0; 3];
    for (axis, size) in sizes.iter_mut().enumerate() {
        let places = (geometry.size[axis] + 2 * filters.padding[axis]).checked_sub(filters.kernel[axis].max(1))?;
        *size = places.checked_div(geometry.stride)? + 1;
    }
    (filters.kernel.iter().all(|&side| side > 0)).then_some(sizes)
}
