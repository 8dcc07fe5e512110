//! The transforms of F(2x2, 3x3) (Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, 2016), with the points 0, 1, -1 and
//! infinity: `y = A' [(G w G') . (B' x B)] A` for a tile of 4x4 inputs, a kernel of 3x3 and 2x2 outputs. The gradient of `w` is
//! the transpose of the same product: `G' [(A g A') . (B' x B)] G`. A row of tiles is transformed from left to right, so that the
//! columns that two tiles share are read once.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use half::bf16;

use crate::arithmetic::{Arithmetic, for_each_arithmetic, pair, pair_up};
use crate::lanes::{LANES, Lanes};
use crate::number::Algorithm;
use crate::shared::Shared;
use crate::weights::{KERNEL, Side, Square, Strides};

/// Side of the tile that is read.
pub(super) const TILE: usize = 4;
/// Side of the tile that is written, and the step from one tile to the next.
pub(super) const STEP: usize = 2;
/// Elements of a transformed tile, each a product of matrices of its own.
pub(super) const ELEMENTS: usize = TILE * TILE;

/// The tiles of this algorithm.
pub(super) type Grid = crate::grid::Grid<STEP>;

impl Grid {
    /// Rows of tiles of all images.
    pub(super) fn rows(&self) -> usize {
        self.images * self.down()
    }

    /// Where the pixels of the image begin that a row of tiles belongs to, and the first row that its tiles write.
    fn origin(&self, row: usize) -> (usize, usize) {
        (row / self.down() * self.height * self.width, row % self.down() * STEP)
    }

    /// Row `y` of the image that begins at `start`, from channel `group * 16` on; nothing outside the image.
    fn line<'a>(&self, x: &'a [bf16], start: usize, y: usize, group: usize) -> Option<&'a [bf16]> {
        // What is before the first wraps round and is not inside either.
        (y < self.height).then(|| &x[(start + y * self.width) * self.channels + group * LANES..])
    }

    /// Asks for the lines that the next row of tiles reads and this one does not, which the processor cannot foresee: so far below
    /// what this one writes.
    #[inline(always)]
    fn prefetch_next(&self, x: &[bf16], row: usize, below: usize) {
        let (start, top) = self.origin(row);
        let line = self.width * self.channels;
        let from = start * self.channels + (top + below) * line;
        if let Some(lines) = x.get(from..(from + STEP * line).min(x.len())) {
            prefetch(lines);
        }
    }

    #[inline(always)]
    fn pixel(&self, line: Option<&[bf16]>, column: usize) -> Lanes {
        match line {
            Some(line) if column < self.width => Lanes::widen(&line[column * self.channels..]),
            _ => Lanes::ZERO,
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn prefetch(numbers: &[bf16]) {
    use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
    for line in numbers.chunks(32) {
        // SAFETY: an address is all that is used of it.
        #[allow(unsafe_code, reason = "an instruction without effect on what is computed")]
        unsafe {
            _mm_prefetch::<_MM_HINT_T1>(line.as_ptr().cast());
        }
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn prefetch(_: &[bf16]) {}

/// Takes the transformed tiles of a row. Where they go is checked for the last of them, when the target is made: checks of each would cost
/// as much as the sums.
trait Target {
    /// Sixteen channels of an element of a tile.
    ///
    /// # Safety
    /// Element, tile and group of channels are ones of the grid that the target was made for.
    #[allow(unsafe_code, reason = "see the trait")]
    unsafe fn put(&mut self, element: usize, tile: usize, group: usize, lanes: Lanes);
}

/// `B'` times a column or row.
#[inline(always)]
fn input([a, b, c, d]: [Lanes; TILE]) -> [Lanes; TILE] {
    [a - c, b + c, c - b, d - b]
}

/// `A` times a column or row.
#[inline(always)]
fn output_gradient([a, b]: [Lanes; STEP]) -> [Lanes; TILE] {
    [a, a + b, a - b, b]
}

/// `A'` times a column or row.
#[inline(always)]
fn output([a, b, c, d]: [Lanes; TILE]) -> [Lanes; STEP] {
    [a + b + c, b - c + d]
}

/// `G` times a column or row.
#[inline(always)]
fn kernel([a, b, c]: [Lanes; KERNEL]) -> [Lanes; TILE] {
    let even = (a + c) * 0.5;
    [a, even.plus(0.5, b), even.plus(-0.5, b), c]
}

/// `G'` times a column or row.
#[inline(always)]
fn kernel_gradient([a, b, c, d]: [Lanes; TILE]) -> [Lanes; KERNEL] {
    let even = (b + c) * 0.5;
    [a + even, (b - c) * 0.5, even + d]
}

/// # Safety
/// As [`Target::put`].
#[allow(unsafe_code, reason = "as `Target::put`")]
#[inline(always)]
unsafe fn put_row(to: &mut impl Target, row: usize, tile: usize, group: usize, values: [Lanes; TILE]) {
    for (column, lanes) in values.into_iter().enumerate() {
        // SAFETY: the caller's.
        unsafe { to.put(row * TILE + column, tile, group, lanes) };
    }
}

/// `B' x B` of a row of tiles.
#[inline(always)]
fn input_row(grid: &Grid, x: &[bf16], row: usize, to: &mut impl Target) {
    let (start, top) = grid.origin(row);
    grid.prefetch_next(x, row, STEP + 1);
    for group in 0..grid.channels / LANES {
        let mut lines = [None; TILE];
        for (index, line) in lines.iter_mut().enumerate() {
            *line = grid.line(x, start, (top + index).wrapping_sub(1), group);
        }
        let (mut first, mut second) = ([Lanes::ZERO; TILE], column(grid, lines, 0));
        for tile in 0..grid.across() {
            let (third, fourth) = (column(grid, lines, STEP * tile + 1), column(grid, lines, STEP * tile + 2));
            for row in 0..TILE {
                // SAFETY: these are tiles and channels of the grid.
                #[allow(unsafe_code, reason = "see `Target`")]
                unsafe {
                    put_row(to, row, tile, group, input([first[row], second[row], third[row], fourth[row]]));
                }
            }
            (first, second) = (third, fourth);
        }
    }
}

/// `B'` times a column of pixels.
#[inline(always)]
fn column(grid: &Grid, lines: [Option<&[bf16]>; TILE], column: usize) -> [Lanes; TILE] {
    let mut values = [Lanes::ZERO; TILE];
    for (value, line) in values.iter_mut().zip(lines) {
        *value = grid.pixel(line, column);
    }
    input(values)
}

/// `A g A'` of a row of tiles.
#[inline(always)]
fn output_gradient_row(grid: &Grid, g: &[bf16], row: usize, to: &mut impl Target) {
    let (start, top) = grid.origin(row);
    grid.prefetch_next(g, row, STEP);
    for group in 0..grid.channels / LANES {
        let (upper, lower) = (grid.line(g, start, top, group), grid.line(g, start, top + 1, group));
        for tile in 0..grid.across() {
            let left = output_gradient([grid.pixel(upper, STEP * tile), grid.pixel(lower, STEP * tile)]);
            let right = output_gradient([grid.pixel(upper, STEP * tile + 1), grid.pixel(lower, STEP * tile + 1)]);
            for row in 0..TILE {
                // SAFETY: these are tiles and channels of the grid.
                #[allow(unsafe_code, reason = "see `Target`")]
                unsafe {
                    put_row(to, row, tile, group, output_gradient([left[row], right[row]]));
                }
            }
        }
    }
}

/// The left matrices of products with a kernel, one for each element, `element` pairs apart: a row of pairs of channels for each tile.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) element: usize,
    pub(super) row: usize,
}

/// Writes [`Rows`].
struct ToRows<'a, A> {
    to: &'a mut [u32],
    layout: Rows,
    arithmetic: std::marker::PhantomData<A>,
}

impl<'a, A: Arithmetic> ToRows<'a, A> {
    /// For one row of tiles, from the beginning of `to` on.
    #[inline(always)]
    fn new(grid: &Grid, to: &'a mut [u32], layout: Rows) -> Self {
        let last = (ELEMENTS - 1) * layout.element + (grid.across() - 1) * layout.row;
        assert!(to.len() >= last + grid.channels / 2);
        Self { to, layout, arithmetic: std::marker::PhantomData }
    }
}

impl<A: Arithmetic> Target for ToRows<'_, A> {
    #[allow(unsafe_code, reason = "see `Target`")]
    #[inline(always)]
    unsafe fn put(&mut self, element: usize, tile: usize, group: usize, lanes: Lanes) {
        let at = element * self.layout.element + tile * self.layout.row + group * LANES / 2;
        let halves = A::round(lanes);
        // SAFETY: no element, tile or group is after the last, which `new` saw inside.
        let to = unsafe { self.to.get_unchecked_mut(at..at + LANES / 2) };
        for (index, to) in to.iter_mut().enumerate() {
            *to = pair(halves[2 * index], halves[2 * index + 1]);
        }
    }
}

for_each_arithmetic! {
    /// `B' x B` of the tiles of `rows`.
    pub(super) fn transform_input(grid: &Grid, x: &[bf16], rows: std::ops::Range<usize>, to: &mut [u32], layout: Rows)
        = input_rows
}

#[inline(always)]
fn input_rows<A: Arithmetic>(grid: &Grid, x: &[bf16], rows: std::ops::Range<usize>, to: &mut [u32], layout: Rows) {
    for (index, row) in rows.enumerate() {
        let to = &mut to[index * grid.across() * layout.row..];
        input_row(grid, x, row, &mut ToRows::<A>::new(grid, to, layout));
    }
}

/// The matrices of a product over tiles, one for each element, `element` numbers apart: for sixteen channels a panel of pairs of tiles. A pair are two
/// tiles of neighbouring rows.
#[derive(Clone, Copy)]
pub(super) struct Panels {
    pub(super) panel: usize,
    element: usize,
    channels: usize,
}

impl Panels {
    /// Of so many pairs.
    pub(super) fn new(pairs: usize, channels: usize) -> Self {
        // One cache line more, so that what is written together does not fall on the same ones.
        let panel = (pairs + 1) * LANES;
        Self { panel, element: channels / LANES * panel + LANES, channels }
    }

    pub(super) fn len(self) -> usize {
        ELEMENTS * self.element
    }

    /// The panels of an element.
    pub(super) fn element(self, all: &[u32], index: usize) -> &[u32] {
        &all[index * self.element..][..self.channels / LANES * self.panel]
    }
}

/// Writes one row of each pair of rows to [`Panels`].
struct ToPanels<'a, A> {
    to: Shared<'a, u32>,
    start: usize,
    layout: Panels,
    is_second: bool,
    arithmetic: std::marker::PhantomData<A>,
}

impl<'a, A: Arithmetic> ToPanels<'a, A> {
    /// For one row of a pair of rows.
    #[inline(always)]
    fn new(grid: &Grid, to: Shared<'a, u32>, pair: RowPair, is_second: bool, layout: Panels) -> Self {
        let last = (ELEMENTS - 1) * layout.element + (grid.channels / LANES - 1) * layout.panel;
        assert!(to.len() >= pair.start + last + grid.across() * LANES);
        Self { to, start: pair.start, layout, is_second, arithmetic: std::marker::PhantomData }
    }
}

impl<A: Arithmetic> Target for ToPanels<'_, A> {
    #[allow(unsafe_code, reason = "see `Target`")]
    #[inline(always)]
    unsafe fn put(&mut self, element: usize, tile: usize, group: usize, lanes: Lanes) {
        let at = self.start + element * self.layout.element + group * self.layout.panel + tile * LANES;
        // SAFETY: the pairs of these two rows are no other thread's, and none is after the last, which `new` saw inside.
        let to = unsafe { self.to.part_unchecked(at, LANES) };
        let halves = A::round(lanes);
        for (pair, half) in to.iter_mut().zip(halves) {
            *pair = if self.is_second { *pair | u32::from(half) << 16 } else { u32::from(half) };
        }
    }
}

/// Which two rows of tiles are transformed, and where their pairs begin in a panel.
#[derive(Clone, Copy)]
pub(super) struct RowPair {
    pub(super) first: usize,
    /// Without a second one, zeros stand for it.
    pub(super) has_second: bool,
    pub(super) start: usize,
}

for_each_arithmetic! {
    /// `B' x B` of the tiles of two rows.
    pub(super) fn transform_input_pair(grid: &Grid, x: &[bf16], pair: RowPair, to: Shared<'_, u32>, layout: Panels)
        = input_pair
}

#[inline(always)]
fn input_pair<A: Arithmetic>(grid: &Grid, x: &[bf16], pair: RowPair, to: Shared<'_, u32>, layout: Panels) {
    for row in 0..=usize::from(pair.has_second) {
        let mut to = ToPanels::<A>::new(grid, to, pair, row > 0, layout);
        input_row(grid, x, pair.first + row, &mut to);
    }
}

for_each_arithmetic! {
    /// `A g A'` of the tiles of two rows.
    pub(super) fn transform_output_gradient_pair(
        grid: &Grid,
        g: &[bf16],
        pair: RowPair,
        to: Shared<'_, u32>,
        layout: Panels,
    ) = output_gradient_pair
}

#[inline(always)]
fn output_gradient_pair<A: Arithmetic>(grid: &Grid, g: &[bf16], pair: RowPair, to: Shared<'_, u32>, layout: Panels) {
    for row in 0..=usize::from(pair.has_second) {
        let mut to = ToPanels::<A>::new(grid, to, pair, row > 0, layout);
        output_gradient_row(grid, g, pair.first + row, &mut to);
    }
}

for_each_arithmetic! {
    /// `A' m A` of the tiles of `rows`, a bias added: `m` has a matrix for each element, with rows of channels.
    pub(super) fn transform_output(
        grid: &Grid,
        m: &[f32],
        layout: Rows,
        bias: Option<&[f32]>,
        rows: std::ops::Range<usize>,
        y: Shared<'_, bf16>,
    ) = output_rows
}

#[inline(always)]
fn output_rows<A: Arithmetic>(
    grid: &Grid,
    m: &[f32],
    layout: Rows,
    bias: Option<&[f32]>,
    rows: std::ops::Range<usize>,
    y: Shared<'_, bf16>,
) {
    let tiles = rows.len() * grid.across();
    assert!(tiles == 0 || m.len() >= (ELEMENTS - 1) * layout.element + (tiles - 1) * layout.row + grid.channels);
    for (index, row) in rows.enumerate() {
        let (start, top) = grid.origin(row);
        for tile in 0..grid.across() {
            let at = (index * grid.across() + tile) * layout.row;
            for group in 0..grid.channels / LANES {
                let bias = bias.map_or(Lanes::ZERO, |bias| Lanes::load(&bias[group * LANES..]));
                // SAFETY: the last element of the last tile is inside, as was asserted.
                #[allow(unsafe_code, reason = "checks of sixteen elements would cost as much as the sums")]
                let square = unsafe { output_tile(m, at + group * LANES, layout.element) };
                for (y_offset, line) in square.into_iter().enumerate().take(grid.height - top) {
                    for (x_offset, lanes) in line.into_iter().enumerate().take(grid.width - STEP * tile) {
                        let pixel = start + (top + y_offset) * grid.width + STEP * tile + x_offset;
                        // SAFETY: every pixel belongs to one tile, and every tile is written once.
                        #[allow(unsafe_code, reason = "tiles do not overlap")]
                        let to = unsafe { y.part(pixel * grid.channels + group * LANES, LANES) };
                        bf16::store::<A>(lanes + bias, to);
                    }
                }
            }
        }
    }
}

/// `A' m A` of one tile, whose elements begin at `start` and are `element` apart.
///
/// # Safety
/// `m` has sixteen numbers from each element on.
#[allow(unsafe_code, reason = "see the caller")]
#[inline(always)]
unsafe fn output_tile(m: &[f32], start: usize, element: usize) -> [[Lanes; STEP]; STEP] {
    let mut columns = [[Lanes::ZERO; STEP]; TILE];
    for (column, values) in columns.iter_mut().enumerate() {
        let at = |row: usize| {
            let first = start + (row * TILE + column) * element;
            // SAFETY: the caller's.
            Lanes::load(unsafe { m.get_unchecked(first..first + LANES) })
        };
        *values = output([at(0), at(1), at(2), at(3)]);
    }
    let row = |index: usize| output([columns[0][index], columns[1][index], columns[2][index], columns[3][index]]);
    [row(0), row(1)]
}

for_each_arithmetic! {
    /// `G w G'` of the sixteen lanes of one panel: `u` is `[ELEMENTS]` blocks that are `element` apart, each `[lanes / 16][depth / 2][16]` pairs.
    pub(super) fn transform_kernel(side: &Side<'_>, panel: usize, u: Shared<'_, u32>, element: usize) = kernel_panel
}

#[inline(always)]
fn kernel_panel<A: Arithmetic>(side: &Side<'_>, panel: usize, u: Shared<'_, u32>, element: usize) {
    let mut squares = [Square::default(); LANES];
    for depth in (0..side.depth).step_by(LANES) {
        side.squares::<A>(panel, depth, &mut squares);
        for (pair, [first, second]) in squares.as_chunks().0.iter().enumerate() {
            let (first, second) = (transformed_kernel(first), transformed_kernel(second));
            for (index, (&first, &second)) in first.as_flattened().iter().zip(second.as_flattened()).enumerate() {
                let at = index * element + (panel * side.depth / 2 + depth / 2 + pair) * LANES;
                // SAFETY: this panel is no other thread's.
                #[allow(unsafe_code, reason = "panels do not overlap")]
                let to = unsafe { u.part(at, LANES) };
                pair_up::<A>(first, second, to);
            }
        }
    }
}

#[inline(always)]
fn transformed_kernel(square: &Square) -> [[Lanes; TILE]; TILE] {
    // Not `map`, which is a function of its own.
    let half = [kernel(square[0]), kernel(square[1]), kernel(square[2])];
    let mut result = [[Lanes::ZERO; TILE]; TILE];
    for column in 0..TILE {
        let values = kernel([half[0][column], half[1][column], half[2][column]]);
        for row in 0..TILE {
            result[row][column] = values[row];
        }
    }
    result
}

for_each_arithmetic! {
    /// `G' u G` of one panel, written to where the taps of a weight lie: `u` is `[ELEMENTS]` blocks that are `element` apart, each
    /// `[lanes / 16][depth][16]`.
    pub(super) fn transform_kernel_gradient(
        u: &[f32],
        element: usize,
        panel: usize,
        depth: usize,
        w: Shared<'_, f32>,
        taps: Strides,
    ) = kernel_gradient_panel
}

#[inline(always)]
fn kernel_gradient_panel<A: Arithmetic>(
    u: &[f32],
    element: usize,
    panel: usize,
    depth: usize,
    w: Shared<'_, f32>,
    taps: Strides,
) {
    for p in 0..depth {
        let u = &u[(panel * depth + p) * LANES..];
        let mut half = [[Lanes::ZERO; KERNEL]; TILE];
        for (row, half) in half.iter_mut().enumerate() {
            let at = |column: usize| Lanes::load(&u[(row * TILE + column) * element..]);
            *half = kernel_gradient([at(0), at(1), at(2), at(3)]);
        }
        let [first, second, third, fourth] = half;
        let mut square = Square::default();
        for (column, (((a, b), c), d)) in first.into_iter().zip(second).zip(third).zip(fourth).enumerate() {
            for (row, lanes) in kernel_gradient([a, b, c, d]).into_iter().enumerate() {
                square[row][column] = lanes;
            }
        }
        // SAFETY: these output channels are no other thread's.
        #[allow(unsafe_code, reason = "panels do not overlap")]
        unsafe {
            taps.write(&square, panel, p, w);
        }
    }
}
