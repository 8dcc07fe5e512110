//! Images as tiles.

use crate::Convolution;

/// Images `[N, H, W, C]` and the tiles that cover their outputs, `STEP` pixels from one to the next.
#[derive(Clone, Copy)]
pub(crate) struct Grid<const STEP: usize> {
    pub(crate) images: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl<const STEP: usize> Grid<STEP> {
    /// One side of a layer, with so many channels.
    pub(crate) fn new(layer: &Convolution, channels: usize) -> Self {
        Self { images: layer.images, height: layer.height, width: layer.width, channels }
    }

    /// Rows of tiles of an image.
    pub(crate) fn down(&self) -> usize {
        self.height.div_ceil(STEP)
    }

    /// Tiles of a row.
    pub(crate) fn across(&self) -> usize {
        self.width.div_ceil(STEP)
    }
}
