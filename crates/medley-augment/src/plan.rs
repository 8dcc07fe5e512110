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

/// A smooth random displacement of places within slices, added to what the map says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Displacement {
    /// Control points along each axis, 2 or more.
    pub grid: u32,
    /// Standard deviation at the control points, in pixels.
    pub deviation: f32,
    /// Seed of the field.
    pub seed: u64,
}

/// The draw of a whole policy for one image: one map, then steps in order.
#[derive(Debug, Clone)]
pub struct Plan<'t> {
    shape: ImageShape,
    map: Map,
    displacements: Vec<Displacement>,
    steps: Vec<(&'t dyn Transform, Params)>,
}

impl<'t> Plan<'t> {
    /// An empty plan.
    pub fn new(shape: ImageShape) -> Self {
        Self { shape, map: Map::IDENTITY, displacements: Vec::new(), steps: Vec::with_capacity(64) }
    }

    /// Forgets all steps but keeps their memory.
    pub fn clear(&mut self, shape: ImageShape) {
        self.shape = shape;
        self.map = Map::IDENTITY;
        self.displacements.clear();
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

    /// The displacements so far; they add up.
    pub fn displacements(&self) -> &[Displacement] {
        &self.displacements
    }

    /// The steps so far.
    pub fn steps(&self) -> &[(&'t dyn Transform, Params)] {
        &self.steps
    }

    /// Adds a geometric step after those before: its input is their output.
    pub fn warp(&mut self, map: Map) {
        self.map = self.map.then(map);
    }

    /// Adds a displacement. Wherever it stands among the maps, the image is read at `map(place) + displacement(place)`.
    pub fn displace(&mut self, displacement: Displacement) {
        self.displacements.push(displacement);
    }

    /// Adds a step on pixels: `transform` will be called with `params`.
    pub fn then(&mut self, transform: &'t dyn Transform, params: Params) {
        self.steps.push((transform, params));
    }
}

impl PartialEq for Plan<'_> {
    /// Whether the same transforms do the same with the same numbers.
    fn eq(&self, other: &Self) -> bool {
        let same =
            |(a, b): (&(&dyn Transform, Params), &(&dyn Transform, Params))| std::ptr::addr_eq(a.0, b.0) && a.1 == b.1;
        self.shape == other.shape
            && self.map == other.map
            && self.displacements == other.displacements
            && self.steps.len() == other.steps.len()
            && self.steps.iter().zip(&other.steps).all(same)
    }
}
