//! Midtones lighter or darker.

use crate::kernel::tone::power;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Raises all values to a power, as torchvision's `adjust_gamma`: black and white stay.
    pub struct GammaConfig {
        /// Least and most exponent; below 1 is lighter. Uniform in the logarithm.
        exponent: [f32; 2], in 0.1..=10.0;
    }
}

impl GammaConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Gamma { exponent: self.exponent })
    }
}

#[derive(Debug)]
struct Gamma {
    exponent: [f32; 2],
}

impl Transform for Gamma {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        plan.then(self, Params::of(&[random.between_ratios(self.exponent[0], self.exponent[1])]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        power(image.pixels_mut(), params.values[0]);
    }
}
