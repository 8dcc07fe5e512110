//! Other light, other stain, other camera.

use super::{brighten, contrast, saturation, turn};
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Brightness, contrast, saturation and hue, each drawn uniformly, in random order, as torchvision's `ColorJitter`. Grey
    /// images have no saturation and no hue: these two leave them as they are.
    pub struct ColourJitterConfig {
        /// The factor is uniform in `1 - brightness` to `1 + brightness`.
        brightness: f32 = 0.0, in 0.0..=1.0;
        /// The same for contrast.
        contrast: f32 = 0.0, in 0.0..=1.0;
        /// The same for saturation.
        saturation: f32 = 0.0, in 0.0..=1.0;
        /// Most of the colour circle that hues turn either way.
        hue: f32 = 0.0, in 0.0..=0.5;
    }
}

impl ColourJitterConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(ColourJitter(self.clone()))
    }
}

#[derive(Debug)]
struct ColourJitter(ColourJitterConfig);

impl Transform for ColourJitter {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let ColourJitterConfig { brightness, contrast, saturation, hue } = self.0;
        let mut order = [0.0, 1.0, 2.0, 3.0];
        for last in (1..4_usize).rev() {
            order.swap(last, random.below(last as u32 + 1) as usize);
        }
        let mut factor = |amount: f32| random.between(1.0 - amount, 1.0 + amount);
        let factors = [factor(brightness), factor(contrast), factor(saturation)];
        let turn = random.between(-hue, hue);
        let [a, b, c, d] = order;
        plan.then(self, Params::of(&[factors[0], factors[1], factors[2], turn, a, b, c, d]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        let [brightness, steepness, colour, hue, order @ ..] = params.values;
        for which in order {
            match which as u8 {
                0 if self.0.brightness > 0.0 => brighten(image, brightness),
                1 if self.0.contrast > 0.0 => contrast(image, steepness),
                2 if self.0.saturation > 0.0 => saturation(image, colour),
                3 if self.0.hue > 0.0 => turn(image, hue),
                _ => {}
            }
        }
    }
}
