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
    taps([side.depth, side.lanes], side.strides).pack(threads, side.weight, packed);
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
    // Where weights came from is no longer asked.
    let taps = taps([depth, lanes], Strides::channels_last(depth));
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

fn taps([depth, lanes]: [usize; 2], strides: Strides) -> Taps {
    let offsets = offsets(KERNEL_SIZE, PADDING);
    let group = |first: usize| {
        let of = |(index, &offset): (usize, &[isize; 3])| {
            let lanes = std::array::from_fn(|at| Some((first + at) * strides.lane + strides.tap(index)));
            Tap { offset, depths: 0..depth, weights: vec![Weights { depths: 0..depth, lanes }] }
        };
        offsets.iter().enumerate().map(of).collect()
    };
    Taps::new((0..lanes).step_by(LANES).map(group).collect(), strides.depth)
}
