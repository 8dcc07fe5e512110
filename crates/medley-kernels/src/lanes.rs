//! Sixteen numbers at a time. The compiler turns these loops into vector instructions of the processor that the calling function is
//! compiled for; everything here is inlined into it.
#![allow(clippy::inline_always, reason = "what is not inlined is not compiled for the caller's processor")]

use half::bf16;

/// Channels that are worked on together: two registers with AVX2, one with AVX-512.
pub(crate) const LANES: usize = 16;

/// One number for each of sixteen channels.
#[derive(Clone, Copy, Default)]
#[repr(transparent)]
pub struct Lanes(pub(crate) [f32; LANES]);

impl Lanes {
    pub(crate) const ZERO: Self = Self([0.0; LANES]);

    #[inline(always)]
    pub(crate) fn load(from: &[f32]) -> Self {
        let mut lanes = [0.0; LANES];
        lanes.copy_from_slice(&from[..LANES]);
        Self(lanes)
    }

    /// Numbers of bfloat16, which are the upper halves of those of fp32.
    #[inline(always)]
    pub(crate) fn widen(from: &[bf16]) -> Self {
        let mut halves = [bf16::ZERO; LANES];
        halves.copy_from_slice(&from[..LANES]);
        Self(halves.map(|half| f32::from_bits(u32::from(half.to_bits()) << 16)))
    }

    #[inline(always)]
    pub(crate) fn store(self, to: &mut [f32]) {
        to[..LANES].copy_from_slice(&self.0);
    }

    /// The larger one of each two; what is no number stays so.
    #[inline(always)]
    pub(crate) fn larger(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            let (own, other) = (self.0[lane], other.0[lane]);
            // Not `f32::max`, which forgets NaN.
            self.0[lane] = if own.is_nan() || own > other { own } else { other };
        }
        self
    }

    /// `self + a b`, rounded once.
    #[inline(always)]
    pub(crate) fn plus_product(mut self, a: Self, b: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = a.0[lane].mul_add(b.0[lane], self.0[lane]);
        }
        self
    }

    /// Zero where `other` is not this number.
    #[inline(always)]
    pub(crate) fn where_equal(mut self, other: Self, number: Self) -> Self {
        for lane in 0..LANES {
            let kept = 0_u32.wrapping_sub(u32::from(other.0[lane] == number.0[lane]));
            self.0[lane] = f32::from_bits(self.0[lane].to_bits() & kept);
        }
        self
    }

    /// Zero where `other` is zero or less, as the gradient of a `ReLU` is.
    #[inline(always)]
    pub(crate) fn where_above_zero(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            // Bits, of which the compiler makes one instruction; of a choice between numbers it made twenty.
            let kept = u32::from(other.0[lane] <= 0.0).wrapping_sub(1);
            self.0[lane] = f32::from_bits(self.0[lane].to_bits() & kept);
        }
        self
    }

    /// `self + factor * other`, rounded once.
    #[inline(always)]
    pub(crate) fn plus(mut self, factor: f32, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] = other.0[lane].mul_add(factor, self.0[lane]);
        }
        self
    }
}

impl std::ops::Add for Lanes {
    type Output = Self;
    #[inline(always)]
    fn add(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] += other.0[lane];
        }
        self
    }
}

impl std::ops::Sub for Lanes {
    type Output = Self;
    #[inline(always)]
    fn sub(mut self, other: Self) -> Self {
        for lane in 0..LANES {
            self.0[lane] -= other.0[lane];
        }
        self
    }
}

impl std::ops::Mul<f32> for Lanes {
    type Output = Self;
    #[inline(always)]
    fn mul(mut self, factor: f32) -> Self {
        for lane in &mut self.0 {
            *lane *= factor;
        }
        self
    }
}
