//! Each channel on its own.

use serde::{Deserialize, Serialize};

use crate::config::check;
use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Multiplies each channel by a factor and adds a number to it, both its own, then clips to 0-1: another white balance, another
/// stain, another sensor.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChannelJitterConfig {
    /// Factors are uniform in `1 - scale` to `1 + scale`; 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub scale: f32,
    /// What is added is uniform in `-shift` to `shift`, with white as 1; 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub shift: f32,
}

impl ChannelJitterConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("scale", self.scale, 0.0, 1.0)?;
        check("shift", self.shift, 0.0, 1.0)?;
        Ok(Box::new(ChannelJitter(self.clone())))
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
