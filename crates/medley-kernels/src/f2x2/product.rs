//! Products of matrices of pairs of bfloat16, summed in fp32, in the layouts that the transforms write.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::arithmetic::{Arithmetic, for_each_arithmetic};
use crate::lanes::{LANES, Lanes};

/// The left matrix: pairs at `row * rows + depth * depths`.
#[derive(Clone, Copy)]
pub(super) struct Left<'a> {
    pub(super) pairs: &'a [u32],
    pub(super) rows: usize,
    pub(super) depths: usize,
}

/// The right matrix: sixteen pairs, one for each column, at `panel * panels + depth * 16`.
#[derive(Clone, Copy)]
pub(super) struct Right<'a> {
    pub(super) pairs: &'a [u32],
    pub(super) panels: usize,
}

/// The result: sixteen columns of row `r` at `r * rows + panel * panels`.
pub(super) struct Output<'a> {
    pub(super) sums: &'a mut [f32],
    pub(super) rows: usize,
    pub(super) panels: usize,
}

for_each_arithmetic! {
    /// `c = a b`, or `c += a b`, of so many `rows`, with sums over `depth` pairs.
    pub(super) fn multiply(rows: usize, depth: usize, a: Left<'_>, b: Right<'_>, c: Output<'_>, accumulate: bool) = product
}

#[inline(always)]
fn product<A: Arithmetic>(rows: usize, depth: usize, a: Left<'_>, b: Right<'_>, c: Output<'_>, accumulate: bool) {
    let mut at = 0;
    // Two panels beside each other read the left matrix half as often.
    let mut pairs = b.pairs.chunks_exact(2 * b.panels);
    for both in &mut pairs {
        let (first, second) = both.split_at(b.panels);
        strips::<A, 2>(rows, depth, a, [first, second], &mut c.sums[at * c.panels..], [c.rows, c.panels], accumulate);
        at += 2;
    }
    for panel in pairs.remainder().chunks_exact(b.panels) {
        strips::<A, 1>(rows, depth, a, [panel], &mut c.sums[at * c.panels..], [c.rows, c.panels], accumulate);
        at += 1;
    }
}

/// Some rows at a time, as many as the registers hold.
#[inline(always)]
fn strips<A: Arithmetic, const PANELS: usize>(
    rows: usize,
    depth: usize,
    a: Left<'_>,
    b: [&[u32]; PANELS],
    c: &mut [f32],
    steps: [usize; 2],
    accumulate: bool,
) {
    let mut row = 0;
    macro_rules! strip_of {
        ($rows:expr) => {{
            let a = Left { pairs: &a.pairs[row * a.rows..], ..a };
            strip::<A, PANELS, { $rows }>(depth, a, b, &mut c[row * steps[0]..], steps, accumulate);
            row += $rows;
        }};
    }
    // Sixteen are twice eight: after twelve, the last four would wait for their own sums.
    while row + 12 <= rows && rows != 16 {
        strip_of!(12);
    }
    while row + 8 <= rows {
        strip_of!(8);
    }
    while row + 4 <= rows {
        strip_of!(4);
    }
    while row < rows {
        strip_of!(1);
    }
}

#[inline(always)]
fn strip<A: Arithmetic, const PANELS: usize, const ROWS: usize>(
    depth: usize,
    a: Left<'_>,
    b: [&[u32]; PANELS],
    c: &mut [f32],
    steps: [usize; 2],
    accumulate: bool,
) {
    assert!(depth > 0 && a.pairs.len() > (ROWS - 1) * a.rows + (depth - 1) * a.depths);
    assert!(b.iter().all(|b| b.len() >= depth * LANES));
    let mut sums = [[Lanes::ZERO; PANELS]; ROWS];
    for p in 0..depth {
        // SAFETY: the lengths were compared above; `p` is below `depth` and `row` below `ROWS`.
        #[allow(unsafe_code, reason = "checks inside this loop would cost more than the product")]
        unsafe {
            let b = b.map(|b| &*b.as_ptr().add(p * LANES).cast::<[u32; LANES]>());
            for (row, sums) in sums.iter_mut().enumerate() {
                let left = *a.pairs.get_unchecked(row * a.rows + p * a.depths);
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum = A::dot(*sum, left, b);
                }
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        for (panel, &sum) in sums.iter().enumerate() {
            let c = &mut c[row * steps[0] + panel * steps[1]..];
            let sum = if accumulate { sum + Lanes::load(c) } else { sum };
            sum.store(c);
        }
    }
}
