//! Lighter and darker.

use serde::{Deserialize, Serialize};

use crate::config::check;
use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Multiplies all values by a factor and clips to 0-1, as torchvision's `adjust_brightness`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrightnessConfig {
    /// The factor is uniform in `1 - amount` to `1 + amount`; 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub amount: f32,
}

impl BrightnessConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("amount", self.amount, 0.0, 1.0)?;
        Ok(Box::new(Brightness { amount: self.amount }))
    }
}

#[derive(Debug)]
struct Brightness {
    amount: f32,
}

impl Transform for Brightness {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let factor = random.between(1.0 - self.amount, 1.0 + self.amount);
        plan.then(self, Params::of(&[factor]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        brighten(image, params.values[0]);
    }
}

pub(crate) fn brighten(image: &mut ImagePlanes<'_>, factor: f32) {
    scale(image.pixels_mut(), factor, 0.0);
}
