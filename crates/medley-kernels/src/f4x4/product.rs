//! Products of matrices in the layouts that the transforms write, so that nothing is packed twice.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::lanes::{LANES, Lanes};

/// Where the elements of the left matrix lie: `row * rows + depth * depths`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) rows: usize,
    pub(crate) depths: usize,
}

/// `c += a b` (or `c = a b`) for `ROWS` rows and sixteen columns: `b` is `[depth][16]`, row `r` of `c` begins at `r * c_rows`.
#[inline(always)]
pub(crate) fn strip<const ROWS: usize>(
    depth: usize,
    a: Left<'_>,
    b: &[f32],
    c: &mut [f32],
    c_rows: usize,
    accumulate: bool,
) {
    assert!(depth > 0 && a.data.len() > (ROWS - 1) * a.rows + (depth - 1) * a.depths);
    assert!(b.len() >= depth * LANES && c.len() >= (ROWS - 1) * c_rows + LANES);
    let mut sums = [Lanes::ZERO; ROWS];
    for p in 0..depth {
        // SAFETY: the lengths were compared above; `p` is below `depth` and `row` below `ROWS`.
        #[allow(unsafe_code, reason = "checks inside this loop would cost more than the product")]
        unsafe {
            let b = Lanes(b.as_ptr().add(p * LANES).cast::<[f32; LANES]>().read_unaligned());
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum = sum.plus(*a.data.get_unchecked(row * a.rows + p * a.depths), b);
            }
        }
    }
    for (row, &sum) in sums.iter().enumerate() {
        let c = &mut c[row * c_rows..];
        let sum = if accumulate { sum + Lanes::load(c) } else { sum };
        sum.store(c);
    }
}

/// As [`strip`] for any number of rows.
#[inline(always)]
pub(crate) fn strips<const ROWS: usize>(
    rows: usize,
    depth: usize,
    a: Left<'_>,
    b: &[f32],
    c: &mut [f32],
    c_rows: usize,
    accumulate: bool,
) {
    let mut row = 0;
    macro_rules! strip_of {
        ($rows:expr) => {{
            let a = Left { data: &a.data[row * a.rows..], ..a };
            strip::<{ $rows }>(depth, a, b, &mut c[row * c_rows..], c_rows, accumulate);
            row += $rows;
        }};
    }
    while row + ROWS <= rows {
        strip_of!(ROWS);
    }
    // What is left, beside each other too: alone, each row would wait for its own sums.
    while row + 4 <= rows {
        strip_of!(4);
    }
    match rows - row {
        3 => strip_of!(3),
        2 => strip_of!(2),
        1 => strip_of!(1),
        _ => {}
    }
    debug_assert_eq!(row, rows);
}
