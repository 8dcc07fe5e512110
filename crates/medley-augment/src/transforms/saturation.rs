//! Paler and more colourful.

use serde::{Deserialize, Serialize};

use crate::config::check;
use crate::kernel::colour::saturate;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Moves colours away from or towards their own grey and clips to 0-1, as torchvision's `adjust_saturation`. Images without
/// three channels stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SaturationConfig {
    /// The factor is uniform in `1 - amount` to `1 + amount`; 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub amount: f32,
}

impl SaturationConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("amount", self.amount, 0.0, 1.0)?;
        Ok(Box::new(Saturation { amount: self.amount }))
    }
}

#[derive(Debug)]
struct Saturation {
    amount: f32,
}

impl Transform for Saturation {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let factor = random.between(1.0 - self.amount, 1.0 + self.amount);
        plan.then(self, Params::of(&[factor]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        saturation(image, params.values[0]);
    }
}

pub(crate) fn saturation(image: &mut ImagePlanes<'_>, factor: f32) {
    if let Some(rgb) = image.rgb_mut() {
        saturate(rgb, factor);
    }
}
