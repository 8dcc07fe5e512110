//! What is done with bfloat16, on processors with instructions for it and without.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::lanes::{LANES, Lanes};

/// Rounding and multiplying bfloat16.
pub trait Arithmetic: Copy {
    /// The nearest numbers of bfloat16, of two equally near the even one.
    fn round(lanes: Lanes) -> [u16; LANES];

    /// `sum + a b`, where `left` is a pair of numbers, and `right` a pair for each lane: products of pairs are added, in fp32. The first
    /// number of a pair is the lower half.
    fn dot(sum: Lanes, left: u32, right: &[u32; LANES]) -> Lanes;

    /// Sixteen rows as columns.
    fn transpose(rows: &[Lanes; LANES]) -> [Lanes; LANES];
}

/// Two halves beside each other, as every processor here reads two numbers of bfloat16 that follow each other in memory.
#[inline(always)]
pub(crate) fn pair(first: u16, second: u16) -> u32 {
    u32::from(first) | u32::from(second) << 16
}

/// Rounds two numbers for each lane to a pair.
#[inline(always)]
pub(crate) fn pair_up<A: Arithmetic>(first: Lanes, second: Lanes, to: &mut [u32]) {
    let (first, second) = (A::round(first), A::round(second));
    for (lane, to) in to[..LANES].iter_mut().enumerate() {
        *to = pair(first[lane], second[lane]);
    }
}

/// By instructions that every processor has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

impl Arithmetic for Portable {
    #[inline(always)]
    fn round(lanes: Lanes) -> [u16; LANES] {
        lanes.0.map(|value| {
            let bits = value.to_bits();
            let nearest = (bits.wrapping_add(0x7FFF + (bits >> 16 & 1)) >> 16) as u16;
            // What is no number stays so, also if its mark is in the lower half.
            if value.is_nan() { (bits >> 16) as u16 | 0x40 } else { nearest }
        })
    }

    #[inline(always)]
    fn dot(mut sum: Lanes, left: u32, right: &[u32; LANES]) -> Lanes {
        let parts = |pair: u32| (f32::from_bits(pair << 16), f32::from_bits(pair & 0xFFFF_0000));
        let (first, second) = parts(left);
        for (sum, &right) in sum.0.iter_mut().zip(right) {
            let (low, high) = parts(right);
            *sum = first.mul_add(low, second.mul_add(high, *sum));
        }
        sum
    }

    #[inline(always)]
    fn transpose(rows: &[Lanes; LANES]) -> [Lanes; LANES] {
        let mut columns = [Lanes::ZERO; LANES];
        for (row, values) in rows.iter().enumerate() {
            for (column, &value) in columns.iter_mut().zip(&values.0) {
                column.0[row] = value;
            }
        }
        columns
    }
}

/// AVX-512 with `VDPBF16PS` and `VCVTNEPS2BF16`, which take numbers below 1e-38 for zero.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
pub(crate) struct Avx512Bf16;

/// To be named by `for_each_arithmetic` alone, which calls it where the processor was asked: anywhere else it is not sound.
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code, reason = "instructions of a processor that was asked")]
impl Arithmetic for Avx512Bf16 {
    #[inline(always)]
    fn round(lanes: Lanes) -> [u16; LANES] {
        use std::arch::x86_64::{__m512, _mm512_cvtneps_pbh};
        // SAFETY: the processor has the instruction, and the types are of one size without padding.
        unsafe { std::mem::transmute(_mm512_cvtneps_pbh(std::mem::transmute::<[f32; LANES], __m512>(lanes.0))) }
    }

    #[inline(always)]
    fn dot(sum: Lanes, left: u32, right: &[u32; LANES]) -> Lanes {
        use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_set1_epi32};
        // SAFETY: as above.
        unsafe {
            let sum = std::mem::transmute::<[f32; LANES], __m512>(sum.0);
            let left = std::mem::transmute::<__m512i, __m512bh>(_mm512_set1_epi32(left.cast_signed()));
            let right = std::mem::transmute::<[u32; LANES], __m512bh>(*right);
            Lanes(std::mem::transmute::<__m512, [f32; LANES]>(_mm512_dpbf16_ps(sum, left, right)))
        }
    }

    #[inline(always)]
    fn transpose(rows: &[Lanes; LANES]) -> [Lanes; LANES] {
        use std::arch::x86_64::{
            __m512, _mm512_castpd_ps, _mm512_castps_pd, _mm512_shuffle_f32x4, _mm512_unpackhi_pd, _mm512_unpackhi_ps,
            _mm512_unpacklo_pd, _mm512_unpacklo_ps,
        };
        // The even and the odd quarters of two rows.
        const EVEN: i32 = 0b10_00_10_00;
        const ODD: i32 = 0b11_01_11_01;
        // SAFETY: as above.
        unsafe {
            let rows = std::mem::transmute::<[Lanes; LANES], [__m512; LANES]>(*rows);
            let (mut fours, mut halves, mut columns) = (rows, rows, rows);
            // Of each four rows, four columns in each quarter.
            for first in (0..LANES).step_by(4) {
                let [a, b, c, d] = [rows[first], rows[first + 1], rows[first + 2], rows[first + 3]];
                let low = [_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d)].map(|pair| _mm512_castps_pd(pair));
                let high = [_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d)].map(|pair| _mm512_castps_pd(pair));
                fours[first] = _mm512_castpd_ps(_mm512_unpacklo_pd(low[0], low[1]));
                fours[first + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low[0], low[1]));
                fours[first + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(high[0], high[1]));
                fours[first + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(high[0], high[1]));
            }
            for index in 0..4 {
                for half in [0, 8] {
                    let (upper, lower) = (fours[half + index], fours[half + 4 + index]);
                    halves[half + index] = _mm512_shuffle_f32x4::<EVEN>(upper, lower);
                    halves[half + 4 + index] = _mm512_shuffle_f32x4::<ODD>(upper, lower);
                }
            }
            for index in 0..8 {
                let (left, right) = (halves[index], halves[8 + index]);
                columns[index] = _mm512_shuffle_f32x4::<EVEN>(left, right);
                columns[8 + index] = _mm512_shuffle_f32x4::<ODD>(left, right);
            }
            std::mem::transmute::<[__m512; LANES], [Lanes; LANES]>(columns)
        }
    }
}

/// Defines `fn name(arguments)` that calls `body::<A>(arguments)` with the arithmetic of this processor, compiled for it; or
/// `fn name<N>(arguments)` and `body::<A, N>`.
macro_rules! for_each_arithmetic {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident$(<$number:ident: $bound:path>)?($($argument:ident: $type:ty),* $(,)?) = $body:ident
    ) => {
        $(#[$attribute])*
        #[allow(clippy::too_many_arguments)]
        $visibility fn $name$(<$number: $bound>)?($($argument: $type),*) {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2,fma")]
                fn avx2$(<$number: $bound>)?($($argument: $type),*) {
                    $body::<$crate::arithmetic::Portable $(, $number)?>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512vl")]
                fn avx512$(<$number: $bound>)?($($argument: $type),*) {
                    $body::<$crate::arithmetic::Portable $(, $number)?>($($argument),*);
                }
                #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512bf16")]
                fn avx512_bf16$(<$number: $bound>)?($($argument: $type),*) {
                    $body::<$crate::arithmetic::Avx512Bf16 $(, $number)?>($($argument),*);
                }
                use $crate::processor::{Processor, processor};
                match processor() {
                    // SAFETY: the processor has what the function was compiled for.
                    #[allow(unsafe_code, reason = "the processor was asked")]
                    Processor::Avx512Bf16 => return unsafe { avx512_bf16$(::<$number>)?($($argument),*) },
                    // SAFETY: as above.
                    #[allow(unsafe_code, reason = "the processor was asked")]
                    Processor::Avx512 => return unsafe { avx512$(::<$number>)?($($argument),*) },
                    // SAFETY: as above.
                    #[allow(unsafe_code, reason = "the processor was asked")]
                    Processor::Avx2 => return unsafe { avx2$(::<$number>)?($($argument),*) },
                    Processor::Any => {}
                }
            }
            $body::<$crate::arithmetic::Portable $(, $number)?>($($argument),*);
        }
    };
}
pub(crate) use for_each_arithmetic;

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512bf16")]
    fn by_instructions(rows: &[Lanes; LANES]) -> [Lanes; LANES] {
        Avx512Bf16::transpose(rows)
    }

    #[test]
    fn rows_become_columns() {
        let number = |row: usize, column: usize| (row * LANES + column) as f32;
        let rows = std::array::from_fn(|row| Lanes(std::array::from_fn(|column| number(row, column))));
        let is_right = |columns: [Lanes; LANES]| {
            (0..LANES * LANES).all(|at| columns[at / LANES].0[at % LANES] == number(at % LANES, at / LANES))
        };
        assert!(is_right(Portable::transpose(&rows)));
        #[cfg(target_arch = "x86_64")]
        if crate::is_bf16_fast_here() {
            // SAFETY: the processor has what the function was compiled for.
            #[allow(unsafe_code, reason = "the processor was asked")]
            let columns = unsafe { by_instructions(&rows) };
            assert!(is_right(columns));
        }
    }
}
