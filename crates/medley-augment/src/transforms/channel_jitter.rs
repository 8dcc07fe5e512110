//! Each channel on its own.

use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Multiplies each channel by a factor and adds a number to it, both its own, then clips to 0-1: another white balance, another
    /// stain, another sensor.
    pub struct ChannelJitterConfig {
        /// Factors are uniform in `1 - scale` to `1 + scale`.
        scale: f32 = 0.0, in 0.0..=1.0;
        /// What is added is uniform in `-shift` to `shift`, with white as 1.
        shift: f32 = 0.0, in 0.0..=1.0;
    }
}

impl ChannelJitterConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(ChannelJitter(self.clone()))
    }
}

#[derive(Debug)]
struct ChannelJitter(ChannelJitterConfig);

impl Transform for ChannelJitter {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        plan.then(self, Params::of(&[]).with_seed(random.bits()));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        let mut random = Random::from_seed(params.seed);
        for plane in image.planes_mut() {
            let factor = random.between(1.0 - self.0.scale, 1.0 + self.0.scale);
            scale(plane, factor, random.between(-self.0.shift, self.0.shift));
        }
    }
}
