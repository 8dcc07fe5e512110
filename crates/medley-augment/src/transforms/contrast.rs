//! Flatter and steeper.

use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Moves all values away from or towards the mean grey of the image and clips to 0-1, as torchvision's `adjust_contrast`.
    pub struct ContrastConfig {
        /// The factor is uniform in `1 - amount` to `1 + amount`.
        amount: f32, in 0.0..=1.0;
    }
}

impl ContrastConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Contrast { amount: self.amount })
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
