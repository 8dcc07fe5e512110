//! 3x3 convolutions of stride 1 as they are written.

use half::bf16;

use super::geometry::{Direction, Pass, Volume};
use super::outputs::products as add_products;
use super::taps::{Tap, Taps, Weights};
use super::{gradient_of_weight, offsets};
use crate::Convolution;
use crate::lanes::LANES;
use crate::weights::{KERNEL, Side, Strides};

const KERNEL_SIZE: [usize; 3] = [1, KERNEL, KERNEL];
const PADDING: [usize; 3] = [0, 1, 1];

/// Pairs of a packed weight.
pub(crate) fn packed_len(outputs: usize, inputs: usize) -> usize {
    KERNEL * KERNEL * outputs * inputs / 2
}

/// The weight as products read it.
pub(crate) fn pack(side: &Side<'_>, threads: usize, packed: &mut [u32]) {
    taps([side.depth, side.lanes], Some(side.strides)).pack(threads, side.weight, packed);
}

/// `y = x * w + bias`, with a packed weight and the channels that are summed over and come out.
pub(crate) fn products(
    layer: &Convolution,
    packed: &[u32],
    [depth, lanes]: [usize; 2],
    x: &[bf16],
    bias: Option<&[f32]>,
    y: &mut [bf16],
) {
    let taps = taps([depth, lanes], None);
    add_products(&pass(layer, [depth, lanes]), &taps, [layer.images, layer.threads], packed, x, bias, y);
}

/// The gradient of the weight, in the order of [`Kernel::channels_last`](crate::Kernel::channels_last).
pub(crate) fn weight_gradient(layer: &Convolution, x: &[bf16], dy: &[bf16], dw: &mut [f32]) {
    let filters = [(0..layer.outputs, offsets(KERNEL_SIZE, PADDING))];
    let pass = pass(layer, [layer.inputs, layer.outputs]);
    gradient_of_weight(&pass, &filters, [layer.images, layer.threads], [x, dy], dw);
}

/// Gradients of the input are outputs, too, with a kernel that is rotated by half a turn.
fn pass(layer: &Convolution, [depth, lanes]: [usize; 2]) -> Pass {
    let volume = |channels: usize| Volume { size: [1, layer.height, layer.width], channels };
    Pass { direction: Direction::Forward, stride: 1, from: volume(depth), to: volume(lanes) }
}

/// The taps, and where their weights lie, if they are to be packed.
fn taps([depth, lanes]: [usize; 2], strides: Option<Strides>) -> Taps {
    let offsets = offsets(KERNEL_SIZE, PADDING);
    let group = |first: usize| {
        let of = |(index, &offset): (usize, &[isize; 3])| {
            let weights = |strides: Strides| {
                let lanes = std::array::from_fn(|at| Some((first + at) * strides.lane + strides.tap(index)));
                Weights { depths: 0..depth, lanes }
            };
            Tap { offset, depths: 0..depth, weights: strides.map(weights).into_iter().collect() }
        };
        offsets.iter().enumerate().map(of).collect()
    };
    let groups = (0..lanes).step_by(LANES).map(group).collect();
    Taps::new(groups, strides.map_or(0, |strides| strides.depth))
}
