//! What is done with the tiles of some rows: read, transform, multiply, write.
#![allow(clippy::inline_always, reason = "see `lanes`")]

use super::product::{Left, strips};
use super::transforms::{self, ELEMENTS, Half, STEP, Source, TILE, Target};
use crate::lanes::{LANES, Lanes};
use crate::processor::for_each_processor;
use crate::shared::Shared;
use crate::weights::{Side, Square, Strides};

/// The tiles of this algorithm.
pub(crate) type Grid = crate::grid::Grid<STEP>;

/// The first row and column of what a tile writes, and its image.
#[derive(Clone, Copy)]
struct TileOrigin {
    image: usize,
    y: usize,
    x: usize,
}

impl Grid {
    pub(crate) fn tiles(&self) -> usize {
        self.images * self.down() * self.across()
    }

    #[inline(always)]
    fn origin(&self, tile: usize) -> TileOrigin {
        let (across, down) = (self.across(), self.down());
        TileOrigin { image: tile / (across * down), y: tile / across % down * STEP, x: tile % across * STEP }
    }
}

/// Sixteen channels of the pixels of a tile; zero outside the image.
struct Pixels<'a> {
    grid: &'a Grid,
    /// From the first of the sixteen channels on.
    data: &'a [f32],
    origin: TileOrigin,
    /// Pixels before the first that the tile writes.
    margin: usize,
}

impl Source for Pixels<'_> {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> Lanes {
        let (y, x) = (self.origin.y + row, self.origin.x + column);
        // What is before the first wraps round and is not inside either.
        let (y, x) = (y.wrapping_sub(self.margin), x.wrapping_sub(self.margin));
        if y >= self.grid.height || x >= self.grid.width {
            return Lanes::ZERO;
        }
        let pixel = (self.origin.image * self.grid.height + y) * self.grid.width + x;
        Lanes::load(&self.data[pixel * self.grid.channels..])
    }
}

/// A transformed tile in memory.
struct Apart<T> {
    data: T,
    /// From one element to the next.
    step: usize,
}

impl Source for Apart<&[f32]> {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> Lanes {
        Lanes::load(&self.data[(row * TILE + column) * self.step..])
    }
}

impl Target for Apart<&mut [f32]> {
    #[inline(always)]
    fn put(&mut self, row: usize, column: usize, lanes: Lanes) {
        lanes.store(&mut self.data[(row * TILE + column) * self.step..]);
    }
}

/// Where transformed tiles lie: each of their elements in a matrix of its own, `element` numbers from one to the next; in it, the sixteen channels from `c` on of tile `t` at `t * tile + c / 16 * group`.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) element: usize,
    pub(crate) tile: usize,
    pub(crate) group: usize,
}

for_each_processor! {
    /// `B' x B` of tiles `first..first + count`.
    pub(crate) fn transform_input(grid: &Grid, x: &[f32], first: usize, count: usize, to: &mut [f32], layout: Layout)
        = input_tiles
}

#[inline(always)]
fn input_tiles<const ROWS: usize>(grid: &Grid, x: &[f32], first: usize, count: usize, to: &mut [f32], layout: Layout) {
    let mut half = Half::default();
    for tile in 0..count {
        let origin = grid.origin(first + tile);
        for group in 0..grid.channels / LANES {
            let pixels = Pixels { grid, data: &x[group * LANES..], origin, margin: 1 };
            let to = &mut to[tile * layout.tile + group * layout.group..];
            transforms::input(&mut half, &pixels, &mut Apart { data: to, step: layout.element });
        }
    }
}

for_each_processor! {
    /// `A g A'` of tiles `first..first + count`.
    pub(crate) fn transform_output_gradient(grid: &Grid, g: &[f32], first: usize, count: usize, to: &mut [f32], layout: Layout)
        = output_gradient_tiles
}

#[inline(always)]
fn output_gradient_tiles<const ROWS: usize>(
    grid: &Grid,
    g: &[f32],
    first: usize,
    count: usize,
    to: &mut [f32],
    layout: Layout,
) {
    let mut half = Half::default();
    for tile in 0..count {
        let origin = grid.origin(first + tile);
        for group in 0..grid.channels / LANES {
            let pixels = Pixels { grid, data: &g[group * LANES..], origin, margin: 0 };
            let to = &mut to[tile * layout.tile + group * layout.group..];
            transforms::output_gradient(&mut half, &pixels, &mut Apart { data: to, step: layout.element });
        }
    }
}

for_each_processor! {
    /// `A' m A` of tiles `first..first + count`, a bias added.
    pub(crate) fn transform_output(
        grid: &Grid,
        m: &[f32],
        layout: Layout,
        bias: Option<&[f32]>,
        first: usize,
        count: usize,
        y: Shared<'_, f32>,
    ) = output_tiles
}

#[inline(always)]
fn output_tiles<const ROWS: usize>(
    grid: &Grid,
    m: &[f32],
    layout: Layout,
    bias: Option<&[f32]>,
    first: usize,
    count: usize,
    y: Shared<'_, f32>,
) {
    let mut half = Half::default();
    for tile in 0..count {
        let origin = grid.origin(first + tile);
        for group in 0..grid.channels / LANES {
            let m = Apart { data: &m[tile * layout.tile + group * layout.group..], step: layout.element };
            let bias = bias.map_or(Lanes::ZERO, |bias| Lanes::load(&bias[group * LANES..]));
            transforms::output(&mut half, &m, &mut Outputs { grid, y, origin, bias, channel: group * LANES });
        }
    }
}

/// The outputs of a tile that lie within the image.
struct Outputs<'a> {
    grid: &'a Grid,
    y: Shared<'a, f32>,
    origin: TileOrigin,
    bias: Lanes,
    channel: usize,
}

impl Target for Outputs<'_> {
    #[inline(always)]
    fn put(&mut self, row: usize, column: usize, lanes: Lanes) {
        let (y, x) = (self.origin.y + row, self.origin.x + column);
        if y < self.grid.height && x < self.grid.width {
            let pixel = (self.origin.image * self.grid.height + y) * self.grid.width + x;
            // SAFETY: every pixel belongs to one tile, and every tile is written once.
            #[allow(unsafe_code, reason = "tiles do not overlap")]
            let to = unsafe { self.y.part(pixel * self.grid.channels + self.channel, LANES) };
            (lanes + self.bias).store(to);
        }
    }
}

/// Depth of a product for which a panel of the right matrix stays in the cache of the first level.
const DEPTH: usize = 256;

for_each_processor! {
    /// `m = v u` of one element: `v` is `[tiles, depth]` with rows `left` apart, `u` is `[columns / 16][depth][16]`, `m` has rows
    /// `right` apart.
    pub(crate) fn multiply(tiles: usize, depth: usize, v: &[f32], left: usize, u: &[f32], m: &mut [f32], right: usize)
        = multiply_tiles
}

#[inline(always)]
fn multiply_tiles<const ROWS: usize>(
    tiles: usize,
    depth: usize,
    v: &[f32],
    left: usize,
    u: &[f32],
    m: &mut [f32],
    right: usize,
) {
    for start in (0..depth).step_by(DEPTH) {
        let len = DEPTH.min(depth - start);
        for (panel, u) in u.chunks_exact(depth * LANES).enumerate() {
            let a = Left { data: &v[start..], rows: left, depths: 1 };
            strips::<ROWS>(tiles, len, a, &u[start * LANES..], &mut m[panel * LANES..], right, start > 0);
        }
    }
}

for_each_processor! {
    /// `u += v' p` of one element: `v` is `[inputs / 16][tiles][16]`, `p` is `[outputs / 16][tiles][16]`, `u` is `[outputs / 16][inputs][16]`.
    pub(crate) fn multiply_transposed(tiles: usize, v: &[f32], p: &[f32], u: &mut [f32], accumulate: bool)
        = multiply_groups
}

#[inline(always)]
fn multiply_groups<const ROWS: usize>(tiles: usize, v: &[f32], p: &[f32], u: &mut [f32], accumulate: bool) {
    let group = tiles * LANES;
    let inputs = v.len() / group * LANES;
    for (panel, p) in p.chunks_exact(group).enumerate() {
        for (index, v) in v.chunks_exact(group).enumerate() {
            let u = &mut u[(panel * inputs + index * LANES) * LANES..][..LANES * LANES];
            let a = Left { data: v, rows: 1, depths: LANES };
            let (top, rest) = u.split_at_mut(8 * LANES);
            strips::<4>(8, tiles, a, p, top, LANES, accumulate);
            strips::<4>(8, tiles, Left { data: &v[8..], ..a }, p, rest, LANES, accumulate);
        }
    }
}

for_each_processor! {
    /// `G w G'` of the sixteen lanes of one panel: `u` is `[ELEMENTS]` blocks that are `element` apart, each `[lanes / 16][depth][16]`.
    pub(crate) fn transform_kernel(side: &Side<'_>, panel: usize, u: Shared<'_, f32>, element: usize) = kernel_panel
}

#[inline(always)]
fn kernel_panel<const ROWS: usize>(side: &Side<'_>, panel: usize, u: Shared<'_, f32>, element: usize) {
    let mut half = Half::default();
    for p in 0..side.depth {
        let kernel = side.taps(panel, p);
        // SAFETY: this panel is no other thread's.
        #[allow(unsafe_code, reason = "panels do not overlap")]
        let store = |index: usize| unsafe { u.part(index * element + (panel * side.depth + p) * LANES, LANES) };
        transforms::kernel(&mut half, &kernel, &mut Elements(store));
    }
}

impl Source for Square {
    #[inline(always)]
    fn at(&self, row: usize, column: usize) -> Lanes {
        self[row][column]
    }
}

impl Target for Square {
    #[inline(always)]
    fn put(&mut self, row: usize, column: usize, lanes: Lanes) {
        self[row][column] = lanes;
    }
}

/// The memory of each element of a transformed kernel.
struct Elements<F>(F);

impl<'a, F: Fn(usize) -> &'a mut [f32]> Target for Elements<F> {
    #[inline(always)]
    fn put(&mut self, row: usize, column: usize, lanes: Lanes) {
        lanes.store((self.0)(row * TILE + column));
    }
}

for_each_processor! {
    /// `G' u G` of one panel, written to where the taps of a weight lie; `u` as [`transform_kernel`] has it.
    pub(crate) fn transform_kernel_gradient(
        u: &[f32],
        element: usize,
        panel: usize,
        depth: usize,
        w: Shared<'_, f32>,
        taps: Strides,
    ) = kernel_gradient_panel
}

#[inline(always)]
fn kernel_gradient_panel<const ROWS: usize>(
    u: &[f32],
    element: usize,
    panel: usize,
    depth: usize,
    w: Shared<'_, f32>,
    taps: Strides,
) {
    let (mut half, mut kernel) = (Half::default(), Square::default());
    for p in 0..depth {
        let u = Apart { data: &u[(panel * depth + p) * LANES..], step: element };
        transforms::kernel_gradient(&mut half, &u, &mut kernel);
        // SAFETY: these output channels are no other thread's.
        #[allow(unsafe_code, reason = "panels do not overlap")]
        unsafe {
            taps.write(&kernel, panel, p, w);
        }
    }
}

/// Numbers of a transformed weight.
pub(crate) fn kernel_len(lanes: usize, depth: usize) -> usize {
    ELEMENTS * lanes * depth
}
