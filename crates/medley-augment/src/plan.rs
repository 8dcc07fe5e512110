//! What is to be done to one image.

use medley_core::ImageShape;

use crate::{Map, Transform};

/// Most numbers that one step can note.
pub const PARAMETERS: usize = 8;

/// What a transform drew, to be given back to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Params {
    /// Whatever the transform drew, zeros after that.
    pub values: [f32; PARAMETERS],
    /// For transforms that need many random numbers: the seed of their stream.
    pub seed: u64,
}

impl Params {
    /// These values.
    ///
    /// # Panics
    /// If there are more than [`PARAMETERS`].
    pub fn of(values: &[f32]) -> Self {
        let mut params = Self { values: [0.0; PARAMETERS], seed: 0 };
        params.values[..values.len()].copy_from_slice(values);
        params
    }

    /// The same values with a seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }
}

/// The draw of a whole policy for one image: one map, then steps in order.
#[derive(Debug)]
pub struct Plan<'t> {
    shape: ImageShape,
    map: Map,
    steps: Vec<(&'t dyn Transform, Params)>,
}

impl<'t> Plan<'t> {
    /// An empty plan.
    pub fn new(shape: ImageShape) -> Self {
        Self { shape, map: Map::IDENTITY, steps: Vec::new() }
    }

    /// Forgets all steps but keeps their memory.
    pub fn clear(&mut self, shape: ImageShape) {
        self.shape = shape;
        self.map = Map::IDENTITY;
        self.steps.clear();
    }

    /// Shape of the image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The geometry so far.
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// The steps so far.
    pub fn steps(&self) -> &[(&'t dyn Transform, Params)] {
        &self.steps
    }

    /// Adds a geometric step after those before: its input is their output.
    pub fn warp(&mut self, map: Map) {
        self.map = self.map.then(map);
    }

    /// Adds a step on pixels: `transform` will be called with `params`.
    pub fn then(&mut self, transform: &'t dyn Transform, params: Params) {
        self.steps.push((transform, params));
    }
}
