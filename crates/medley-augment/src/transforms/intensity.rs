//! All values times one factor.

use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Multiplies all values by one factor, uniform in a range. With `[0, 1]` it is what the official 3D benchmark trains with (its
    /// `Transform3D(mul="random")`; it evaluates with the factor 0.5).
    pub struct IntensityConfig {
        /// Least and most factor.
        factor: [f32; 2] = [0.0, 1.0], in 0.0..=10.0;
    }
}

impl IntensityConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Intensity { factor: self.factor })
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
