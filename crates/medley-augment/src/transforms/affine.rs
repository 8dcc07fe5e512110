//! Rotation, moves, scale and shear.

use crate::{Map, Plan, Random, Transform};

medley_core::keys! {
    /// A random affine map about the image centre, as torchvision's `RandomAffine`; each part is drawn uniformly and may be left
    /// out. Volumes are turned within their slices.
    pub struct AffineConfig {
        /// Most degrees turned either way.
        degrees: f32 = 0.0, in 0.0..=180.0;
        /// Most shift down or up, right or left, as a share of height and width. Fractions of pixels included.
        translate: f32 = 0.0, in 0.0..=1.0;
        /// Least and most scale; above 1 is larger.
        scale: [f32; 2] = [1.0, 1.0], in 0.1..=10.0;
        /// Most degrees sheared along x.
        shear: f32 = 0.0, in 0.0..=80.0;
        /// Share of images it is done to.
        probability: f32 = 1.0, in 0.0..=1.0;
    }
}

impl AffineConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Affine(self.clone()))
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
