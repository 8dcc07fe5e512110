//! The linear maps of Winograd's algorithm F(4x4, 3x3) (Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016),
//! with the points 0, 1, -1, 2, -2 and infinity: `y = A' [(G w G') . (B' x B)] A` for a tile of 6x6 inputs, a kernel of 3x3 and
//! 4x4 outputs. The gradient of `w` is the transpose of the same product: `G' [(A g A') . (B' x B)] G`.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use crate::lanes::Lanes;
use crate::weights::KERNEL;

/// Side of the tile that is read.
pub(crate) const TILE: usize = 6;
/// Side of the tile that is written, and the step from one tile to the next.
pub(crate) const STEP: usize = 4;
/// Elements of a transformed tile, each a product of matrices of its own.
pub(crate) const ELEMENTS: usize = TILE * TILE;

/// What a transform keeps between its two halves: the caller makes it once, as filling it anew for every tile takes as long as the transform.
pub(crate) type Half = [[Lanes; TILE]; TILE];

/// Defines a function that applies a map to the columns of a square, then to the rows: `M x M'`. A closure would be compiled apart from
/// its caller, and so not for its processor; sources and targets are inlined.
macro_rules! both_ways {
    ($(#[$attribute:meta])* $name:ident: $from:ident -> $to:ident, [$($value:ident),*] => $result:expr) => {
        $(#[$attribute])*
        #[inline(always)]
        pub(crate) fn $name(half: &mut Half, from: &impl Source, to: &mut impl Target) {
            #[inline(always)]
            fn map([$($value),*]: [Lanes; $from]) -> [Lanes; $to] {
                $result
            }
            for column in 0..$from {
                let mut values = [Lanes::ZERO; $from];
                for row in 0..$from {
                    values[row] = from.at(row, column);
                }
                let values = map(values);
                for row in 0..$to {
                    half[row][column] = values[row];
                }
            }
            for row in 0..$to {
                let mut values = [Lanes::ZERO; $from];
                values.copy_from_slice(&half[row][..$from]);
                let values = map(values);
                for column in 0..$to {
                    to.put(row, column, values[column]);
                }
            }
        }
    };
}

/// Where a transform reads.
pub(crate) trait Source {
    /// The numbers of one element.
    fn at(&self, row: usize, column: usize) -> Lanes;
}

/// Where a transform writes.
pub(crate) trait Target {
    /// Takes the numbers of one element.
    fn put(&mut self, row: usize, column: usize, lanes: Lanes);
}

both_ways! {
    /// `B' x B`
    input: TILE -> TILE, [a, b, c, d, e, f] => {
        let (even, odd) = (e.plus(-4.0, c), d.plus(-4.0, b));
        let (even_of_two, odd_of_two) = (e - c, (d - b) * 2.0);
        [
            (a * 4.0).plus(-5.0, c) + e,
            even + odd,
            even - odd,
            even_of_two + odd_of_two,
            even_of_two - odd_of_two,
            (b * 4.0).plus(-5.0, d) + f,
        ]
    }
}

both_ways! {
    /// `A' m A`
    output: TILE -> STEP, [a, b, c, d, e, f] => {
        let (sum, difference) = (b + c, b - c);
        let (sum_of_two, difference_of_two) = (d + e, d - e);
        [
            a + sum + sum_of_two,
            difference.plus(2.0, difference_of_two),
            sum.plus(4.0, sum_of_two),
            difference.plus(8.0, difference_of_two) + f,
        ]
    }
}

both_ways! {
    /// `A g A'`, the transpose of [`output`].
    output_gradient: STEP -> TILE, [a, b, c, d] => {
        let (even, odd) = (a + c, b + d);
        let (even_of_two, odd_of_two) = (a.plus(4.0, c), (b * 2.0).plus(8.0, d));
        [a, even + odd, even - odd, even_of_two + odd_of_two, even_of_two - odd_of_two, d]
    }
}

both_ways! {
    /// `G w G'`
    kernel: KERNEL -> TILE, [a, b, c] => {
        let even = (a + c) * (-1.0 / 6.0);
        let even_of_two = (a * (1.0 / 24.0)).plus(1.0 / 6.0, c);
        [
            a * 0.25,
            even.plus(-1.0 / 6.0, b),
            even.plus(1.0 / 6.0, b),
            even_of_two.plus(1.0 / 12.0, b),
            even_of_two.plus(-1.0 / 12.0, b),
            c,
        ]
    }
}

both_ways! {
    /// `G' u G`, the transpose of [`kernel`].
    kernel_gradient: TILE -> KERNEL, [a, b, c, d, e, f] => {
        let (sum, difference) = (b + c, c - b);
        let (sum_of_two, difference_of_two) = (d + e, d - e);
        [
            (a * 0.25).plus(-1.0 / 6.0, sum).plus(1.0 / 24.0, sum_of_two),
            (difference * (1.0 / 6.0)).plus(1.0 / 12.0, difference_of_two),
            f.plus(-1.0 / 6.0, sum).plus(1.0 / 6.0, sum_of_two),
        ]
    }
}
