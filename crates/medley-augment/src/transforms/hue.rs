//! Colours turned on their circle.

use crate::kernel::colour::turn_hue;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Turns the hue of HSV, as torchvision's `adjust_hue`. Images without three channels stay as they are.
    pub struct HueConfig {
        /// Most of the circle turned either way.
        turn: f32, in 0.0..=0.5;
    }
}

impl HueConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Hue { turn: self.turn })
    }
}

#[derive(Debug)]
struct Hue {
    turn: f32,
}

impl Transform for Hue {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        plan.then(self, Params::of(&[random.between(-self.turn, self.turn)]));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        turn(image, params.values[0]);
    }
}

pub(crate) fn turn(image: &mut ImagePlanes<'_>, by: f32) {
    if let Some(rgb) = image.rgb_mut() {
        turn_hue(rgb, by);
    }
}
