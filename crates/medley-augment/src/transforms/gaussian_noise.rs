//! Noise of the electronics.

use crate::kernel::colour::add_noise;
use crate::kernel::noise::normals;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Adds a normal number to every value, each its own, and clips to 0-1.
    pub struct GaussianNoiseConfig {
        /// Least and most standard deviation, with white as 1; uniform.
        deviation: [f32; 2], in 0.0..=1.0;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl GaussianNoiseConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(GaussianNoise(self.clone()))
    }
}

#[derive(Debug)]
struct GaussianNoise(GaussianNoiseConfig);

impl Transform for GaussianNoise {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.0.probability) {
            let deviation = random.between(self.0.deviation[0], self.0.deviation[1]);
            plan.then(self, Params::of(&[deviation]).with_seed(random.bits()));
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        add_gaussian(image, params.values[0], &mut Random::from_seed(params.seed));
    }
}

pub(crate) fn add_gaussian(image: &mut ImagePlanes<'_>, deviation: f32, random: &mut Random) {
    let (pixels, scratch) = image.with_scratch();
    scratch.floats.resize(pixels.len(), 0.0);
    normals(random, &mut scratch.floats);
    add_noise(pixels, &scratch.floats, deviation, 0.0);
}
