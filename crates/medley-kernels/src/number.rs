//! The two kinds of numbers, each with an algorithm of its own.

use half::bf16;

use crate::Convolution;
use crate::arithmetic::Arithmetic;
use crate::lanes::Lanes;
use crate::shared::Scratch;
use crate::weights::Side;

/// What images consist of: `f32`, computed by F(4x4, 3x3), or [`bf16`], computed by F(2x2, 3x3) or a matrix unit with sums in fp32. Weights
/// and their gradients are `f32` in either.
pub trait Number: Algorithm {}

impl Number for f32 {}
impl Number for bf16 {}

/// How such numbers lie in memory, and how images of them are convolved. Lengths have been compared, and channels are multiples of sixteen.
pub trait Algorithm: Copy + Send + Sync + Sized + 'static {
    /// Sixteen numbers as fp32.
    fn load(from: &[Self]) -> Lanes;

    /// Sixteen numbers, rounded where that is to be.
    fn store<A: Arithmetic>(lanes: Lanes, to: &mut [Self]);

    /// Numbers of a transformed weight.
    type Transformed: Scratch + Send + Sync + std::fmt::Debug;

    /// Numbers of a transformed weight.
    fn transformed_len(outputs: usize, inputs: usize) -> usize;

    /// Transforms a weight.
    fn transform(side: &Side<'_>, threads: usize, kernel: &mut [Self::Transformed]);

    /// `y = x * w + bias`, with a transformed weight and the channels that are summed over and come out.
    fn products(
        layer: &Convolution,
        kernel: &[Self::Transformed],
        depth_and_lanes: [usize; 2],
        x: &[Self],
        bias: Option<&[f32]>,
        y: &mut [Self],
    );

    /// The gradient of the weight from that of `y`, of at least one pixel, in the order of [`Kernel::channels_last`](crate::Kernel::channels_last).
    fn weight_gradient(layer: &Convolution, x: &[Self], dy: &[Self], dw: &mut [f32]);
}
