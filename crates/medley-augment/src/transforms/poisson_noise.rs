//! Noise of few photons.

use crate::kernel::noise::poisson;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Replaces every value by a count of photons, Poisson with the value as mean: X-ray and fluorescence at low dose.
    pub struct PoissonNoiseConfig {
        /// Fewest and most photons that make white; fewer are noisier. Uniform in the logarithm.
        photons: [f32; 2], in 1.0..=100_000.0;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl PoissonNoiseConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(PoissonNoise(self.clone()))
    }
}

#[derive(Debug)]
struct PoissonNoise(PoissonNoiseConfig);

impl Transform for PoissonNoise {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.0.probability) {
            let white = random.between_ratios(self.0.photons[0], self.0.photons[1]);
            plan.then(self, Params::of(&[white]).with_seed(random.bits()));
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        photons(image, params.values[0], &mut Random::from_seed(params.seed));
    }
}

pub(crate) fn photons(image: &mut ImagePlanes<'_>, white: f32, random: &mut Random) {
    let each = 1.0 / white;
    for value in image.pixels_mut() {
        *value = (poisson(random, *value * white) * each).min(1.0);
    }
}
