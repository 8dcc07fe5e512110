//! Weights as the kernels read them.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::arithmetic::Arithmetic;
use crate::lanes::{LANES, Lanes};
use crate::shared::Shared;

/// Side of the kernel.
pub(crate) const KERNEL: usize = 3;

/// A weight in either order in memory: `[outputs, inputs, 3, 3]`, or of a [`DirectConvolution`](crate::DirectConvolution) `[outputs, inputs, taps]`.
#[derive(Debug, Clone, Copy)]
pub struct Kernel<'a> {
    pub(crate) weight: &'a [f32],
    order: Order,
}

/// What lies beside each other.
#[derive(Debug, Clone, Copy)]
enum Order {
    Strides,
    Inputs,
}

impl<'a> Kernel<'a> {
    /// Strides beside each other: `[outputs, inputs, taps]`.
    pub fn contiguous(weight: &'a [f32]) -> Self {
        Self { weight, order: Order::Strides }
    }

    /// Input channels beside each other: `[outputs, taps, inputs]`.
    pub fn channels_last(weight: &'a [f32]) -> Self {
        Self { weight, order: Order::Inputs }
    }

    /// From an output channel to the next, from an input channel to the next, and from a tap to the next.
    pub(crate) fn strides(self, inputs: usize, taps: usize) -> [usize; 3] {
        let output = inputs * taps;
        match self.order {
            Order::Strides => [output, taps, 1],
            Order::Inputs => [output, 1, inputs],
        }
    }

    /// The weight as the output sees it.
    pub(crate) fn forward(self, inputs: usize, outputs: usize) -> Side<'a> {
        let [output, input, tap] = self.strides(inputs, KERNEL * KERNEL);
        let strides = Strides { lane: output, depth: input, tap, rotated: false };
        Side { weight: self.weight, strides, depth: inputs, lanes: outputs }
    }

    /// The weight as the input sees it when gradients go back.
    pub(crate) fn backward(self, inputs: usize, outputs: usize) -> Side<'a> {
        let [output, input, tap] = self.strides(inputs, KERNEL * KERNEL);
        let strides = Strides { lane: input, depth: output, tap, rotated: true };
        Side { weight: self.weight, strides, depth: outputs, lanes: inputs }
    }
}

/// A weight as one side of a convolution sees it.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub(crate) weight: &'a [f32],
    pub(crate) strides: Strides,
    /// Channels that are summed over.
    pub(crate) depth: usize,
    /// Channels that come out.
    pub(crate) lanes: usize,
}

impl Side<'_> {
    /// The taps of sixteen lanes at one depth.
    #[inline(always)]
    pub(crate) fn taps(self, panel: usize, depth: usize) -> Square {
        let Self { weight, strides, .. } = self;
        let start = panel * LANES * strides.lane + depth * strides.depth;
        let mut square = Square::default();
        for (tap, lanes) in square.as_flattened_mut().iter_mut().enumerate() {
            let at = start + strides.tap(tap);
            if strides.lane == 1 {
                *lanes = Lanes::load(&weight[at..]);
            } else {
                for (lane, value) in lanes.0.iter_mut().enumerate() {
                    *value = weight[at + lane * strides.lane];
                }
            }
        }
        square
    }

    /// [`Self::taps`] at sixteen depths, from this one on.
    #[inline(always)]
    pub(crate) fn squares<A: Arithmetic>(self, panel: usize, depth: usize, squares: &mut [Square; LANES]) {
        let Self { weight, strides, .. } = self;
        if strides.depth != 1 {
            for (index, square) in squares.iter_mut().enumerate() {
                *square = self.taps(panel, depth + index);
            }
            return;
        }
        let start = panel * LANES * strides.lane + depth;
        for tap in 0..KERNEL * KERNEL {
            let mut rows = [Lanes::ZERO; LANES];
            for (lane, row) in rows.iter_mut().enumerate() {
                *row = Lanes::load(&weight[start + strides.tap(tap) + lane * strides.lane..]);
            }
            for (square, lanes) in squares.iter_mut().zip(A::transpose(&rows)) {
                square[tap / KERNEL][tap % KERNEL] = lanes;
            }
        }
    }
}

/// The strides of a weight as one of its sides sees it.
#[derive(Clone, Copy)]
pub(crate) struct Strides {
    pub(crate) lane: usize,
    pub(crate) depth: usize,
    pub(crate) tap: usize,
    /// Rotated by half a turn, as the gradient of the input needs it.
    pub(crate) rotated: bool,
}

impl Strides {
    /// Those of [`Kernel::channels_last`] as the output sees it.
    pub(crate) fn channels_last(inputs: usize) -> Self {
        Self { lane: inputs * KERNEL * KERNEL, depth: 1, tap: inputs, rotated: false }
    }

    /// Where a tap lies, from the first one.
    #[inline(always)]
    pub(crate) fn tap(self, tap: usize) -> usize {
        self.tap * if self.rotated { KERNEL * KERNEL - 1 - tap } else { tap }
    }

    /// Writes the taps of sixteen lanes at one depth to where [`Side::taps`] reads them. They are not rotated.
    ///
    /// # Safety
    /// These lanes are no other thread's.
    #[allow(unsafe_code, reason = "the caller parts lanes between threads")]
    #[inline(always)]
    pub(crate) unsafe fn write(self, square: &Square, panel: usize, depth: usize, weight: Shared<'_, f32>) {
        for lane in 0..LANES {
            let start = (panel * LANES + lane) * self.lane + depth * self.depth;
            for (tap, lanes) in square.as_flattened().iter().enumerate() {
                // SAFETY: the caller's.
                let to = unsafe { weight.part(start + tap * self.tap, 1) };
                to[0] = lanes.0[lane];
            }
        }
    }
}

/// The taps of a kernel, of sixteen channels.
pub(crate) type Square = [[Lanes; KERNEL]; KERNEL];
