//! Midtones lighter or darker.

use serde::{Deserialize, Serialize};

use crate::config::check_range;
use crate::kernel::tone::power;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Raises all values to a power, as torchvision's `adjust_gamma`: black and white stay.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GammaConfig {
    /// Least and most exponent, 0.1-10; below 1 is lighter. Uniform in the logarithm.
    #[serde(serialize_with = "crate::config::plain_pair")]
    pub exponent: [f32; 2],
}

impl GammaConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check_range("exponent", self.exponent, 0.1, 10.0)?;
        Ok(Box::new(Gamma { exponent: self.exponent }))
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
