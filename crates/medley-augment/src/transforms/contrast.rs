//! Flatter and steeper.

use serde::{Deserialize, Serialize};

use crate::config::check;
use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Moves all values away from or towards the mean grey of the image and clips to 0-1, as torchvision's `adjust_contrast`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContrastConfig {
    /// The factor is uniform in `1 - amount` to `1 + amount`; 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub amount: f32,
}

impl ContrastConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("amount", self.amount, 0.0, 1.0)?;
        Ok(Box::new(Contrast { amount: self.amount }))
    }
}

#[derive(Debug)]
struct Contrast {
    amount: f32,
}

impl Transform for Contrast {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let factor = random.between(1.0 - self.amount, 1.0 + self.amount);
        plan.then(self, Params::of(&[factor]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        contrast(image, params.values[0]);
    }
}

pub(crate) fn contrast(image: &mut ImagePlanes<'_>, factor: f32) {
    let bias = (1.0 - factor) * image.mean_grey();
    scale(image.pixels_mut(), factor, bias);
}
