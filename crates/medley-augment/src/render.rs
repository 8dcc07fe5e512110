//! Carrying out a plan.

use medley_core::ImageShape;

use crate::kernel::elastic::displace;
use crate::kernel::histogram::level;
use crate::kernel::lattice::Offsets;
use crate::kernel::resample::{Field, Input, Resampler, Sampling, to_units};
use crate::normalise::unit;
use crate::{Filter, ImagePlanes, Map, Padding, Plan, Random, planes::Scratch};

/// Carries out plans; holds the memory that takes. One per thread, for any number of images of any shapes.
#[derive(Debug, Default)]
pub struct Renderer {
    offsets: Offsets,
    bytes: Vec<u8>,
    planes: Vec<f32>,
    down: Vec<f32>,
    right: Vec<f32>,
    resampler: Resampler,
    scratch: Scratch,
}

/// An image after its plan.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rendered<'a> {
    /// Pixels were at most moved: `[H, W, C]` or `[D, H, W, C]`, 0-255.
    Bytes(&'a [u8]),
    /// `[C, H, W]` or `[C, D, H, W]`, 0-1.
    Planes(&'a [f32]),
}

impl Rendered<'_> {
    /// `[H, W, C]` or `[D, H, W, C]`, rounded to 0-255.
    pub fn to_bytes(&self, channels: usize) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.to_vec(),
            Self::Planes(planes) => {
                let mut bytes = vec![0; planes.len()];
                for (channel, plane) in planes.chunks_exact((planes.len() / channels.max(1)).max(1)).enumerate() {
                    for (byte, value) in bytes.iter_mut().skip(channel).step_by(channels).zip(plane) {
                        *byte = level(*value);
                    }
                }
                bytes
            }
        }
    }
}

impl Renderer {
    /// Geometry in one resampling, then the steps in order. `image` is `[H, W, C]` or `[D, H, W, C]` of the plan's shape.
    ///
    /// # Panics
    /// If `image` has another size.
    pub fn render<'a>(
        &'a mut self,
        plan: &Plan<'_>,
        filter: Filter,
        padding: Padding,
        image: &'a [u8],
    ) -> Rendered<'a> {
        let shape = plan.shape();
        assert_eq!(shape.checked_len(), Some(image.len()), "an image of {shape} has as many bytes");
        let sampling = Sampling { filter, padding };
        let Self { offsets, bytes, planes, down, right, resampler, scratch } = self;
        let lattice = if plan.displacements().is_empty() { plan.map().lattice(shape) } else { None };
        let mut image = image;
        if let Some(runs) = &lattice
            && *plan.map() != Map::IDENTITY
        {
            bytes.resize(shape.len(), 0);
            offsets.move_pixels(runs, shape, padding, image, bytes);
            image = bytes;
        }
        if lattice.is_some() && plan.steps().is_empty() {
            return Rendered::Bytes(image);
        }
        planes.resize(shape.len(), 0.0);
        if lattice.is_some() {
            to_planes(image, shape, planes);
        } else {
            let field = field(plan, down, right, &mut scratch.floats);
            resampler.resample(plan.map(), field, sampling, shape, Input::Bytes(image), planes);
        }
        let mut image = ImagePlanes::new(shape, planes, scratch).with_sampling(filter, padding);
        for (transform, params) in plan.steps() {
            transform.apply(params, &mut image);
        }
        Rendered::Planes(planes)
    }
}

/// The sum of all displacements, if there are any.
fn field<'a>(
    plan: &Plan<'_>,
    down: &'a mut Vec<f32>,
    right: &'a mut Vec<f32>,
    scratch: &mut Vec<f32>,
) -> Option<Field<'a>> {
    if plan.displacements().is_empty() {
        return None;
    }
    let ImageShape { height, width, .. } = plan.shape();
    for field in [&mut *down, &mut *right] {
        field.clear();
        field.resize(height * width, 0.0);
    }
    for displacement in plan.displacements() {
        let mut random = Random::from_seed(displacement.seed);
        let grid = displacement.grid.clamp(2, 1024) as usize;
        displace(&mut random, grid, displacement.deviation, [height, width], [down, right], scratch);
    }
    Some(Field { down, right })
}

/// Bytes `[.., C]` to planes `[C, ..]` in 0-1.
fn to_planes(bytes: &[u8], shape: ImageShape, planes: &mut [f32]) {
    let channels = shape.channels;
    if channels == 1 {
        return to_units(bytes, planes);
    }
    for (channel, plane) in planes.chunks_exact_mut(bytes.len() / channels).enumerate() {
        for (value, pixel) in plane.iter_mut().zip(bytes.chunks_exact(channels)) {
            *value = unit(pixel[channel]);
        }
    }
}
