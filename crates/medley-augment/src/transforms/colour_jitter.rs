//! Other light, other stain, other camera.

use serde::{Deserialize, Serialize};

use super::{brighten, contrast, saturation, turn};
use crate::config::check;
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Brightness, contrast, saturation and hue, each drawn uniformly, in random order, as torchvision's `ColorJitter`. Grey
/// images have no saturation and no hue: these two leave them as they are.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ColourJitterConfig {
    /// The factor is uniform in `1 - brightness` to `1 + brightness`; 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub brightness: f32,
    /// The same for contrast.
    #[serde(serialize_with = "crate::config::plain")]
    pub contrast: f32,
    /// The same for saturation.
    #[serde(serialize_with = "crate::config::plain")]
    pub saturation: f32,
    /// Most of the colour circle that hues turn either way, 0-0.5.
    #[serde(serialize_with = "crate::config::plain")]
    pub hue: f32,
}

impl ColourJitterConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("brightness", self.brightness, 0.0, 1.0)?;
        check("contrast", self.contrast, 0.0, 1.0)?;
        check("saturation", self.saturation, 0.0, 1.0)?;
        check("hue", self.hue, 0.0, 0.5)?;
        Ok(Box::new(ColourJitter(self.clone())))
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
