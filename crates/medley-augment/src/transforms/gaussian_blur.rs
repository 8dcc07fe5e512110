//! Out of focus.

use crate::kernel::blur::{gaussian, separable};
use crate::plan::Params;
use crate::planes::Scratch;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Convolves with a Gaussian cut at three standard deviations, reflected at the border, as torchvision's `gaussian_blur` with
    /// that kernel size. Volumes are blurred across slices too.
    pub struct GaussianBlurConfig {
        /// Least and most standard deviation in pixels, uniform.
        deviation: [f32; 2], in 0.05..=20.0;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl GaussianBlurConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(GaussianBlur(self.clone()))
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
