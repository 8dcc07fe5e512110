//! All values times one factor.

use serde::{Deserialize, Serialize};

use crate::config::check_range;
use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Multiplies all values by one factor, uniform in a range. With `[0, 1]` it is what the official 3D benchmark trains with (its
/// `Transform3D(mul="random")`; it evaluates with the factor 0.5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IntensityConfig {
    /// Least and most factor, 0-10; by default 0 and 1.
    #[serde(default = "unit", serialize_with = "crate::config::plain_pair")]
    pub factor: [f32; 2],
}

fn unit() -> [f32; 2] {
    [0.0, 1.0]
}

impl IntensityConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check_range("factor", self.factor, 0.0, 10.0)?;
        Ok(Box::new(Intensity { factor: self.factor }))
    }
}

#[derive(Debug)]
struct Intensity {
    factor: [f32; 2],
}

impl Transform for Intensity {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        plan.then(self, Params::of(&[random.between(self.factor[0], self.factor[1])]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        scale(image.pixels_mut(), params.values[0], 0.0);
    }
}
