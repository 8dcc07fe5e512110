//! 3x3 convolutions in bfloat16: by Winograd's algorithm, or as they are written where a matrix unit makes products cheaper than
//! transforms.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use half::bf16;

use crate::arithmetic::Arithmetic;
use crate::direct::square;
use crate::lanes::{LANES, Lanes};
use crate::number::Algorithm;
use crate::weights::Side;
use crate::{Convolution, f2x2, has_matrix_unit};

impl Algorithm for bf16 {
    #[inline(always)]
    fn load(from: &[Self]) -> Lanes {
        Lanes::widen(from)
    }

    #[inline(always)]
    fn store<A: Arithmetic>(lanes: Lanes, to: &mut [Self]) {
        to[..LANES].copy_from_slice(&A::round(lanes).map(bf16::from_bits));
    }

    /// A pair of numbers.
    type Transformed = u32;

    fn transformed_len(outputs: usize, inputs: usize) -> usize {
        if has_matrix_unit() { square::packed_len(outputs, inputs) } else { f2x2::transformed_len(outputs, inputs) }
    }

    fn transform(side: &Side<'_>, threads: usize, kernel: &mut [u32]) {
        if has_matrix_unit() { square::pack(side, threads, kernel) } else { f2x2::transform(side, threads, kernel) }
    }

    fn products(
        layer: &Convolution,
        kernel: &[u32],
        channels: [usize; 2],
        x: &[bf16],
        bias: Option<&[f32]>,
        y: &mut [bf16],
    ) {
        let products = if has_matrix_unit() { square::products } else { f2x2::products };
        products(layer, kernel, channels, x, bias, y);
    }

    fn weight_gradient(layer: &Convolution, x: &[bf16], dy: &[bf16], dw: &mut [f32]) {
        let gradient = if has_matrix_unit() { square::weight_gradient } else { f2x2::weight_gradient };
        gradient(layer, x, dy, dw);
    }
}
