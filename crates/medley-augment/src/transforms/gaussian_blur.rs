//! Out of focus.

use serde::{Deserialize, Serialize};

use crate::config::{check, check_range, half};
use crate::kernel::blur::{gaussian, separable};
use crate::plan::Params;
use crate::planes::Scratch;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Convolves with a Gaussian cut at three standard deviations, reflected at the border, as torchvision's `gaussian_blur` with
/// that kernel size. Volumes are blurred across slices too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianBlurConfig {
    /// Least and most standard deviation in pixels, 0.05-20, uniform.
    #[serde(serialize_with = "crate::config::plain_pair")]
    pub deviation: [f32; 2],
    /// Share of images it is done to, 0-1; by default 0.5.
    #[serde(default = "half", serialize_with = "crate::config::plain")]
    pub probability: f32,
}

impl GaussianBlurConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check_range("deviation", self.deviation, 0.05, 20.0)?;
        check("probability", self.probability, 0.0, 1.0)?;
        Ok(Box::new(GaussianBlur(self.clone())))
    }
}

#[derive(Debug)]
struct GaussianBlur(GaussianBlurConfig);

impl Transform for GaussianBlur {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.0.probability) {
            plan.then(self, Params::of(&[random.between(self.0.deviation[0], self.0.deviation[1])]));
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        blur(image, params.values[0]);
    }
}

pub(crate) fn blur(image: &mut ImagePlanes<'_>, deviation: f32) {
    let lengths = image.lengths();
    let (pixels, Scratch { floats, kernel, .. }) = image.with_scratch();
    gaussian(deviation, (3.0 * deviation).ceil() as usize, kernel);
    separable(pixels, lengths, kernel, floats);
}
