//! Harder or softer edges.

use crate::kernel::blur::sharpen;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Moves the image away from (factor above 1) or towards a smoothed copy and clips to 0-1, as torchvision's `adjust_sharpness`.
    /// Volumes slice by slice.
    pub struct SharpnessConfig {
        /// Least and most factor, uniform. 0 is smooth, 1 changes nothing, 2 doubles the edges.
        factor: [f32; 2], in 0.0..=10.0;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl SharpnessConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Sharpness(self.clone()))
    }
}

#[derive(Debug)]
struct Sharpness(SharpnessConfig);

impl Transform for Sharpness {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.0.probability) {
            plan.then(self, Params::of(&[random.between(self.0.factor[0], self.0.factor[1])]));
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        sharpness(image, params.values[0]);
    }
}

pub(crate) fn sharpness(image: &mut ImagePlanes<'_>, factor: f32) {
    let [_, height, width] = image.lengths();
    let (pixels, scratch) = image.with_scratch();
    for slice in pixels.chunks_exact_mut((height * width).max(1)) {
        sharpen(slice, width, factor, &mut scratch.floats);
    }
}
