//! Harder or softer edges.

use serde::{Deserialize, Serialize};

use crate::config::{check, check_range, half};
use crate::kernel::blur::sharpen;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Moves the image away from (factor above 1) or towards a smoothed copy and clips to 0-1, as torchvision's `adjust_sharpness`.
/// Volumes slice by slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharpnessConfig {
    /// Least and most factor, 0-10, uniform. 0 is smooth, 1 changes nothing, 2 doubles the edges.
    #[serde(serialize_with = "crate::config::plain_pair")]
    pub factor: [f32; 2],
    /// Share of images it is done to, 0-1; by default 0.5.
    #[serde(default = "half", serialize_with = "crate::config::plain")]
    pub probability: f32,
}

impl SharpnessConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check_range("factor", self.factor, 0.0, 10.0)?;
        check("probability", self.probability, 0.0, 1.0)?;
        Ok(Box::new(Sharpness(self.clone())))
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
