//! fp32: Winograd's algorithm F(4x4, 3x3), four times fewer multiplications.
#![allow(clippy::inline_always, reason = "see `lanes`")]

mod product;
mod tiles;
mod transforms;

use self::tiles::{
    Grid, Layout, kernel_len, multiply, multiply_transposed, transform_input, transform_kernel,
    transform_kernel_gradient, transform_output, transform_output_gradient,
};
use self::transforms::ELEMENTS;
use crate::Convolution;
use crate::arithmetic::Arithmetic;
use crate::lanes::{LANES, Lanes};
use crate::number::Algorithm;
use crate::shared::{Shared, for_each, with_scratch};
use crate::weights::{Side, Strides};

/// Transformed tiles beside the products of all elements should stay in the cache of the second or third level: numbers of both.
const BLOCK: usize = 400_000;
/// Rows that products take at a time, of any processor.
const ROWS: usize = 12;

impl Algorithm for f32 {
    #[inline(always)]
    fn load(from: &[Self]) -> Lanes {
        Lanes::load(from)
    }

    #[inline(always)]
    fn store<A: Arithmetic>(lanes: Lanes, to: &mut [Self]) {
        lanes.store(to);
    }

    type Transformed = f32;

    fn transformed_len(outputs: usize, inputs: usize) -> usize {
        kernel_len(outputs, inputs)
    }

    fn transform(side: &Side<'_>, threads: usize, kernel: &mut [f32]) {
        let (all, element) = (Shared::new(kernel), side.depth * side.lanes);
        for_each(threads, side.lanes / LANES, |panel| transform_kernel(side, panel, all, element));
    }

    fn products(
        layer: &Convolution,
        kernel: &[f32],
        [depth, lanes]: [usize; 2],
        x: &[f32],
        bias: Option<&[f32]>,
        y: &mut [f32],
    ) {
        let (from, to) = (Grid::new(layer, depth), Grid::new(layer, lanes));
        let (tiles, element) = (from.tiles(), depth * lanes);
        let y = Shared::new(y);
        let block = block(layer, tiles, layer.threads);
        for_each(layer.threads, tiles.div_ceil(block.max(1)), |turn| {
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

    fn weight_gradient(layer: &Convolution, x: &[f32], dy: &[f32], dw: &mut [f32]) {
        let (inputs, outputs) = (layer.inputs, layer.outputs);
        let taps = Strides::channels_last(inputs);
        let (from, to) = (Grid::new(layer, inputs), Grid::new(layer, outputs));
        let tiles = from.tiles();
        let block = block(layer, tiles, 1);
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
                    for_each(layer.threads, ELEMENTS, |index| {
                        // SAFETY: every element has a block of its own.
                        #[allow(unsafe_code, reason = "elements do not overlap")]
                        let u = unsafe { all.part(index * element, element) };
                        let v = &v[index * count * inputs..][..count * inputs];
                        let p = &p[index * count * outputs..][..count * outputs];
                        multiply_transposed(count, v, p, u, first > 0);
                    });
                }
            });
            let (u, dw) = (&*u, Shared::new(dw));
            for_each(layer.threads, outputs / LANES, |panel| {
                transform_kernel_gradient(u, element, panel, inputs, dw, taps);
            });
        });
    }
}

/// Tiles that are transformed before they are multiplied.
fn block(layer: &Convolution, tiles: usize, threads: usize) -> usize {
    let cached = BLOCK / (ELEMENTS * (layer.inputs + layer.outputs));
    let fair = tiles.div_ceil(threads.max(1));
    cached.clamp(96, 384).min(fair).next_multiple_of(ROWS)
}
