//! bfloat16: Winograd's algorithm F(2x2, 3x3), 2.25 times fewer multiplications. Larger tiles would save more, and their other points
//! would magnify what rounding to eight bits takes away: products are of transformed numbers.

mod product;
mod tiles;

use std::ops::Range;

use half::bf16;

use self::product::{Left, Output, Right, multiply};
use self::tiles::{
    ELEMENTS, Grid, Panels, RowPair, Rows, transform_input, transform_input_pair, transform_kernel,
    transform_kernel_gradient, transform_output, transform_output_gradient_pair,
};
use crate::Convolution;
use crate::lanes::LANES;
use crate::shared::{Shared, for_each, with_scratch};
use crate::weights::{Side, Strides};

/// Transformed tiles beside the products of all elements, which should stay in the cache of the second level: bytes of both.
const BLOCK: usize = 100_000;
/// Tiles that are multiplied together at least: fewer would read the weight from memory too often.
const LEAST_TILES: usize = 48;
/// Tiles of a product over tiles, each of which is added to all of its result.
const TILES: usize = 512;

/// Pairs of a transformed weight.
pub(crate) fn transformed_len(outputs: usize, inputs: usize) -> usize {
    ELEMENTS * outputs * inputs / 2
}

/// Transforms a weight.
pub(crate) fn transform(side: &Side<'_>, threads: usize, kernel: &mut [u32]) {
    let (all, element) = (Shared::new(kernel), side.depth * side.lanes / 2);
    for_each(threads, side.lanes / LANES, |panel| transform_kernel(side, panel, all, element));
}

/// `y = x * w + bias`, with a transformed weight and the channels that are summed over and come out.
pub(crate) fn products(
    layer: &Convolution,
    kernel: &[u32],
    [depth, lanes]: [usize; 2],
    x: &[bf16],
    bias: Option<&[f32]>,
    y: &mut [bf16],
) {
    let (from, to) = (Grid::new(layer, depth), Grid::new(layer, lanes));
    let (rows, across) = (from.rows(), from.across());
    if rows * across == 0 {
        return;
    }
    let (pairs, element) = (depth / 2, depth / 2 * lanes);
    let (left, right) = (apart(pairs), apart(lanes));
    let block = block_of_rows(BLOCK / (ELEMENTS * 4 * (left + right)), across, rows.div_ceil(layer.threads.max(1)));
    let y = Shared::new(y);
    for_each(layer.threads, rows.div_ceil(block), |turn| {
        let rows = turn * block..rows.min((turn + 1) * block);
        let count = rows.len() * across;
        with_scratch(ELEMENTS * count * left, |v| {
            with_scratch(ELEMENTS * count * right, |m: &mut [f32]| {
                transform_input(&from, x, rows.clone(), v, Rows { element: count * left, row: left });
                for index in 0..ELEMENTS {
                    let a = Left { pairs: &v[index * count * left..][..count * left], rows: left, depths: 1 };
                    let sums = &mut m[index * count * right..][..count * right];
                    let b = Right { pairs: &kernel[index * element..][..element], panels: pairs * LANES };
                    multiply(count, pairs, a, b, Output { sums, rows: right, panels: LANES }, false);
                }
                transform_output(&to, m, Rows { element: count * right, row: right }, bias, rows, y);
            });
        });
    });
}

/// The gradient of the weight from that of `y`, of at least one pixel, in the order of [`Kernel::channels_last`](crate::Kernel::channels_last).
pub(crate) fn weight_gradient(layer: &Convolution, x: &[bf16], dy: &[bf16], dw: &mut [f32]) {
    let (inputs, outputs) = (layer.inputs, layer.outputs);
    let (element, taps) = (inputs * outputs, Strides::channels_last(inputs));
    with_scratch(ELEMENTS * element, |u: &mut [f32]| {
        products_over_tiles(layer, x, dy, u);
        let (u, dw) = (&*u, Shared::new(dw));
        for_each(layer.threads, outputs / LANES, |panel| {
            transform_kernel_gradient(u, element, panel, inputs, dw, taps);
        });
    });
}

/// The gradient of the transformed weight: for each element `[outputs / 16][inputs][16]`.
fn products_over_tiles(layer: &Convolution, x: &[bf16], dy: &[bf16], sums: &mut [f32]) {
    let grid = Grid::new(layer, layer.inputs);
    let (rows, across) = (grid.rows(), grid.across());
    let block = block_of_rows(TILES, across, rows).next_multiple_of(2);
    let len = |channels: usize| Panels::new(block / 2 * across, channels).len();
    with_scratch(len(layer.inputs), |images| {
        with_scratch(len(layer.outputs), |gradients| {
            for first in (0..rows).step_by(block) {
                let rows = first..rows.min(first + block);
                let pairs = rows.len().div_ceil(2) * across;
                transform_pairs(layer, x, dy, rows, [images, gradients]);
                add_products(layer, pairs, [images, gradients], sums, first > 0);
            }
        });
    });
}

/// The panels of input and gradient for the tiles of `rows`.
fn transform_pairs(layer: &Convolution, x: &[bf16], dy: &[bf16], rows: Range<usize>, to: [&mut [u32]; 2]) {
    let (from_x, from_dy) = (Grid::new(layer, layer.inputs), Grid::new(layer, layer.outputs));
    let across = from_x.across();
    let [to_images, to_gradients] = to.map(Shared::new);
    let pairs = rows.len().div_ceil(2);
    let panels = |channels: usize| Panels::new(pairs * across, channels);
    for_each(layer.threads, pairs, |index| {
        let first = rows.start + 2 * index;
        let pair = RowPair { first, has_second: first + 1 < rows.end, start: index * across * LANES };
        transform_input_pair(&from_x, x, pair, to_images, panels(layer.inputs));
        transform_output_gradient_pair(&from_dy, dy, pair, to_gradients, panels(layer.outputs));
    });
}

/// Multiplies the panels of so many pairs of tiles.
fn add_products(
    layer: &Convolution,
    pairs: usize,
    [images, gradients]: [&[u32]; 2],
    sums: &mut [f32],
    accumulate: bool,
) {
    let (from_images, from_gradients) = (Panels::new(pairs, layer.inputs), Panels::new(pairs, layer.outputs));
    let (all, len) = (Shared::new(sums), layer.inputs * layer.outputs);
    for_each(layer.threads, ELEMENTS, |index| {
        // SAFETY: every element has a block of its own.
        #[allow(unsafe_code, reason = "elements do not overlap")]
        let sums = unsafe { all.part(index * len, len) };
        let right = Right { pairs: from_gradients.element(gradients, index), panels: from_gradients.panel };
        let groups = from_images.element(images, index).chunks_exact(from_images.panel);
        for (group, panel) in groups.enumerate() {
            let left = Left { pairs: panel, rows: 1, depths: LANES };
            let sums = &mut sums[group * LANES * LANES..];
            let result = Output { sums, rows: LANES, panels: layer.inputs * LANES };
            multiply(LANES, pairs, left, right, result, accumulate);
        }
    });
}

/// Rows of tiles that are transformed before they are multiplied: of about so many tiles.
fn block_of_rows(tiles: usize, across: usize, most: usize) -> usize {
    tiles.clamp(LEAST_TILES, TILES).div_ceil(across).min(most).max(1)
}

/// From one row of so many numbers to the next: one cache line more where rows would fall on the same ones.
fn apart(row: usize) -> usize {
    if row.is_multiple_of(4 * LANES) { row + LANES } else { row }
}
