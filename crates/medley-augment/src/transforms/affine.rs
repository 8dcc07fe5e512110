//! Rotation, moves, scale and shear.

use serde::{Deserialize, Serialize};

use crate::config::{check, check_range};

use crate::{AugmentError, Map, Plan, Random, Transform};

/// A random affine map about the image centre, as torchvision's `RandomAffine`; each part is drawn uniformly and may be left
/// out. Volumes are turned within their slices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AffineConfig {
    /// Most degrees turned either way, 0-180.
    #[serde(serialize_with = "crate::config::plain")]
    pub degrees: f32,
    /// Most shift down or up, right or left, as a share of height and width, 0-1. Fractions of pixels included.
    #[serde(serialize_with = "crate::config::plain")]
    pub translate: f32,
    /// Least and most scale, 0.1-10; above 1 is larger.
    #[serde(serialize_with = "crate::config::plain_pair")]
    pub scale: [f32; 2],
    /// Most degrees sheared along x, 0-80.
    #[serde(serialize_with = "crate::config::plain")]
    pub shear: f32,
    /// Share of images it is done to, 0-1.
    #[serde(serialize_with = "crate::config::plain")]
    pub probability: f32,
}

impl Default for AffineConfig {
    fn default() -> Self {
        Self { degrees: 0.0, translate: 0.0, scale: [1.0, 1.0], shear: 0.0, probability: 1.0 }
    }
}

impl AffineConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("degrees", self.degrees, 0.0, 180.0)?;
        check("translate", self.translate, 0.0, 1.0)?;
        check_range("scale", self.scale, 0.1, 10.0)?;
        check("shear", self.shear, 0.0, 80.0)?;
        check("probability", self.probability, 0.0, 1.0)?;
        Ok(Box::new(Affine(self.clone())))
    }
}

#[derive(Debug)]
struct Affine(AffineConfig);

impl Transform for Affine {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let AffineConfig { degrees, translate, scale, shear, probability } = self.0;
        if !random.chance(probability) {
            return;
        }
        let mut either_way = |most: f32| if most > 0.0 { f64::from(random.between(-most, most)) } else { 0.0 };
        let turn = either_way(degrees);
        let down = either_way(translate) * plan.shape().height as f64;
        let right = either_way(translate) * plan.shape().width as f64;
        let shear = either_way(shear);
        let scale = if scale[0] < scale[1] { random.between(scale[0], scale[1]) } else { scale[0] };
        plan.warp(Map::affine(turn, [down, right], f64::from(scale), [shear, 0.0]));
    }
}
