//! Noise of coherent waves.

use crate::kernel::colour::add_noise;
use crate::kernel::noise::normals;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Multiplies every value by 1 plus a normal number, each its own, and clips to 0-1: the grain of ultrasound and of optical
    /// coherence tomography.
    pub struct SpeckleNoiseConfig {
        /// Least and most standard deviation of the factor, uniform.
        deviation: [f32; 2], in 0.0..=1.0;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl SpeckleNoiseConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(SpeckleNoise(self.clone()))
    }
}

#[derive(Debug)]
struct SpeckleNoise(SpeckleNoiseConfig);

impl Transform for SpeckleNoise {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.0.probability) {
            let deviation = random.between(self.0.deviation[0], self.0.deviation[1]);
            plan.then(self, Params::of(&[deviation]).with_seed(random.bits()));
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        speckle(image, params.values[0], &mut Random::from_seed(params.seed));
    }
}

pub(crate) fn speckle(image: &mut ImagePlanes<'_>, deviation: f32, random: &mut Random) {
    let (pixels, scratch) = image.with_scratch();
    scratch.floats.resize(pixels.len(), 0.0);
    normals(random, &mut scratch.floats);
    add_noise(pixels, &scratch.floats, 0.0, deviation);
}
