//! Convolutions computed as they are written, for what Winograd's algorithm does not take: strides, filters of one pixel, volumes.

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod amx;
mod geometry;
mod outputs;
pub(crate) mod square;
mod taps;
mod weight_gradient;

use std::ops::Range;

use half::bf16;

use self::geometry::{Direction, Pass, Volume};
use self::outputs::products;
use self::taps::{Tap, Taps, Weights};
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
    /// Numbers of all inputs, all outputs and the weight.
    lengths: [usize; 3],
}

impl DirectConvolution {
    /// Checks that there is such a convolution.
    ///
    /// # Errors
    /// [`KernelError`] when channels are not multiples of sixteen, the stride or a side of a kernel is 0, a kernel is larger than the padded
    /// input, filters do not belong together, or memory could not hold the numbers.
    pub fn new(geometry: Geometry) -> Result<Self, KernelError> {
        const TOO_MANY: KernelError = KernelError::Geometry("more numbers than memory can hold");
        let Geometry { images, size, inputs, filters, .. } = &geometry;
        let outputs =
            filters.iter().try_fold(0_usize, |sum, filters| sum.checked_add(filters.outputs)).ok_or(TOO_MANY)?;
        check_channels("an input", *inputs)?;
        check_channels("an output", outputs)?;
        let sizes = filters.iter().map(|filters| output_size(&geometry, filters)).collect::<Option<Vec<_>>>();
        let sizes =
            sizes.ok_or(KernelError::Geometry("a stride or side of 0, or a kernel larger than the padded input"))?;
        let taps: Vec<_> = filters.iter().map(|filters| count(&filters.kernel)).collect();
        if sizes.windows(2).any(|two| two[0] != two[1]) || taps.windows(2).any(|two| two[0] != two[1]) {
            return Err(KernelError::Geometry("filters whose outputs or kernels are not of one size"));
        }
        let (output_size, taps) = (sizes[0], taps[0].ok_or(TOO_MANY)?);
        // Of one image, too: where there are none, its numbers are still counted.
        let of_images = |[depth, height, width]: [usize; 3], channels: usize| {
            count(&[depth, height, width, channels]).and_then(|image| count(&[*images, image]))
        };
        let lengths = [of_images(*size, *inputs), of_images(output_size, outputs), count(&[outputs, *inputs, taps])];
        let [Some(input), Some(output), Some(weight)] = lengths else { return Err(TOO_MANY) };
        Ok(Self { output_size, outputs, taps, lengths: [input, output, weight], geometry })
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

    /// The gradient of `w` from that of `y`, `[outputs, taps, inputs]`, the order of [`Kernel::channels_last`].
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn weight_gradient(&self, x: &[bf16], dy: &[bf16], dw: &mut [f32]) -> Result<(), KernelError> {
        self.check(x, dy, dw)?;
        let Geometry { images, threads, .. } = self.geometry;
        gradient_of_weight(&self.pass(Direction::Forward), &self.filters(), [images, threads], [x, dy], dw);
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
        let depths = 0..self.geometry.inputs;
        let group = |shared: SharedTap, first: usize| {
            let lane = |lane: usize| shared.places[lane].map(|index| (first + lane) * output + index * tap);
            let weights = Weights { depths: depths.clone(), lanes: std::array::from_fn(lane) };
            Tap { offset: shared.offset, depths: depths.clone(), weights: vec![weights] }
        };
        let groups = shared_taps(&self.filters(), self.outputs).into_iter().enumerate();
        let groups = groups.map(|(index, taps)| taps.into_iter().map(|tap| group(tap, index * LANES)).collect());
        Taps::new(groups.collect(), input)
    }

    /// For each sixteen inputs all taps of all filters, which read the outputs of these filters. A matrix unit reads sixteen outputs
    /// whether they have the tap or not.
    fn backward_taps(&self, w: Kernel<'_>) -> Taps {
        let [output, input, tap] = w.strides(self.geometry.inputs, self.taps);
        let filters = self.filters();
        let weights = |depths: Range<usize>, first: usize, index: usize| Weights {
            depths,
            lanes: std::array::from_fn(|lane| Some((first + lane) * input + index * tap)),
        };
        let apart = |first: usize| {
            let of = |(outputs, offsets): &PlacedFilters| {
                let tap = |(index, &offset)| Tap {
                    offset,
                    depths: outputs.clone(),
                    weights: vec![weights(outputs.clone(), first, index)],
                };
                offsets.iter().enumerate().map(tap).collect::<Vec<_>>()
            };
            filters.iter().flat_map(of).collect()
        };
        let shared = shared_taps(&filters, self.outputs);
        let together = |first: usize| {
            let of = |(group, taps): (usize, &Vec<SharedTap>)| {
                let start = group * LANES;
                let tap = |shared: &SharedTap| {
                    let mut lane = start;
                    let of_run = |run: &[Option<usize>]| {
                        let depths = lane..lane + run.len();
                        lane = depths.end;
                        run[0].map(|index| weights(depths, first, index))
                    };
                    let weights = shared.places.chunk_by(|a, b| a == b).filter_map(of_run).collect();
                    Tap { offset: shared.offset, depths: start..start + LANES, weights }
                };
                taps.iter().map(tap).collect::<Vec<_>>()
            };
            shared.iter().enumerate().flat_map(of).collect()
        };
        let groups = (0..self.geometry.inputs).step_by(LANES);
        let are_apart = filters.iter().all(|(outputs, _)| outputs.start.is_multiple_of(LANES));
        let is_together = crate::has_matrix_unit() && !are_apart;
        let groups = if is_together { groups.map(together).collect() } else { groups.map(apart).collect() };
        Taps::new(groups, output)
    }

    /// Which outputs each filters have, and where their taps lie.
    fn filters(&self) -> Vec<PlacedFilters> {
        let mut start = 0;
        let of = |filters: &Filters| {
            let outputs = start..start + filters.outputs;
            start = outputs.end;
            (outputs, offsets(filters.kernel, filters.padding))
        };
        self.geometry.filters.iter().map(of).collect()
    }

    fn check(&self, x: &[bf16], y: &[bf16], w: &[f32]) -> Result<(), KernelError> {
        let [input, output, weight] = self.lengths;
        check_length("the input", x.len(), input)?;
        check_length("the output", y.len(), output)?;
        check_length("the weight", w.len(), weight)
    }
}

/// Filters of these outputs, and where their taps lie as seen from `stride` times the place of an output.
type PlacedFilters = (Range<usize>, Vec<[isize; 3]>);

/// A tap of any of sixteen filters.
#[derive(Clone, PartialEq, Eq)]
struct SharedTap {
    offset: [isize; 3],
    /// Its place among the taps of each filter, if it has this one.
    places: [Option<usize>; LANES],
}

/// Of each sixteen outputs the taps that any of their filters has.
fn shared_taps(filters: &[PlacedFilters], outputs: usize) -> Vec<Vec<SharedTap>> {
    let group = |first: usize| {
        let mut taps: Vec<SharedTap> = Vec::new();
        for (outputs, offsets) in filters {
            for lane in outputs.start.max(first)..outputs.end.min(first + LANES) {
                for (index, &offset) in offsets.iter().enumerate() {
                    let place = taps.iter().position(|tap| tap.offset == offset).unwrap_or_else(|| {
                        taps.push(SharedTap { offset, places: [None; LANES] });
                        taps.len() - 1
                    });
                    taps[place].places[lane - first] = Some(index);
                }
            }
        }
        taps
    };
    (0..outputs).step_by(LANES).map(group).collect()
}

/// Each of these once, in order.
fn distinct(offsets: impl Iterator<Item = [isize; 3]>) -> Vec<[isize; 3]> {
    let mut offsets: Vec<_> = offsets.collect();
    offsets.sort_unstable();
    offsets.dedup();
    offsets
}

fn offsets([depth, height, width]: [usize; 3], padding: [usize; 3]) -> Vec<[isize; 3]> {
    let taps = (0..depth * height * width).map(|tap| [tap / (height * width), tap / width % height, tap % width]);
    taps.map(|at| std::array::from_fn(|axis| at[axis] as isize - padding[axis] as isize)).collect()
}

/// Writes the gradient of a weight, `[outputs, taps, inputs]`. `pass` leads from inputs to outputs.
fn gradient_of_weight(
    pass: &Pass,
    filters: &[PlacedFilters],
    [images, threads]: [usize; 2],
    [x, dy]: [&[bf16]; 2],
    dw: &mut [f32],
) {
    // `DirectConvolution::new` saw that all filters have as many.
    let taps = filters.first().map_or(0, |(_, offsets)| offsets.len());
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if crate::has_matrix_unit() {
        let shared = shared_taps(filters, pass.to.channels);
        return amx::weight_gradient(pass, &shared, [images, threads, taps], [x, dy], dw);
    }
    let units: Vec<Unit> =
        filters.iter().flat_map(|(outputs, offsets)| Unit::split(outputs.clone(), offsets)).collect();
    weight_gradient(pass, &units, [images, threads, taps], [x, dy], dw);
}

/// The product, if so many pairs of fp32 could lie in memory.
fn count(factors: &[usize]) -> Option<usize> {
    let product = factors.iter().try_fold(1_usize, |product, &factor| product.checked_mul(factor))?;
    (product <= isize::MAX as usize / 8).then_some(product)
}

/// `None` without a place for the kernel.
fn output_size(geometry: &Geometry, filters: &Filters) -> Option<[usize; 3]> {
    let mut sizes = [0; 3];
    for (axis, size) in sizes.iter_mut().enumerate() {
        let padded = count(&[2, filters.padding[axis]])?.checked_add(geometry.size[axis])?;
        let kernel = Some(filters.kernel[axis]).filter(|&side| side > 0)?;
        *size = padded.checked_sub(kernel)?.checked_div(geometry.stride)? + 1;
    }
    Some(sizes)
}
