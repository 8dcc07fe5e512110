//! Lighter and darker.

use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Multiplies all values by a factor and clips to 0-1, as torchvision's `adjust_brightness`.
    pub struct BrightnessConfig {
        /// The factor is uniform in `1 - amount` to `1 + amount`.
        amount: f32, in 0.0..=1.0;
    }
}

impl BrightnessConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Brightness { amount: self.amount })
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
