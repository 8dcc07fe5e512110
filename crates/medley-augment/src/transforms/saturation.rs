//! Paler and more colourful.

use crate::kernel::colour::saturate;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Moves colours away from or towards their own grey and clips to 0-1, as torchvision's `adjust_saturation`. Images without
    /// three channels stay as they are.
    pub struct SaturationConfig {
        /// The factor is uniform in `1 - amount` to `1 + amount`.
        amount: f32, in 0.0..=1.0;
    }
}

impl SaturationConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Saturation { amount: self.amount })
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
