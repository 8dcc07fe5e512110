//! Smooth local displacements.

use crate::plan::Displacement;
use crate::{Plan, Random, Transform};

medley_core::keys! {
    /// Soft tissue pushed about: normal displacements on a coarse grid of control points, made smooth by cubic B-splines, as for
    /// U-Net (Ronneberger, Fischer and Brox, 2015, section 3.1). Part of the one resampling. In volumes every slice is displaced
    /// alike.
    pub struct ElasticConfig {
        /// Standard deviation at the control points, as a share of the image's height. U-Net's 10 pixels of 512 are 0.02; above a third
        /// of the control points' distance the image folds over itself.
        deviation: f32, in 0.0..=0.5;
        /// Control points along each axis.
        grid: u32 = 4, in 2..=32;
        /// Share of images it is done to.
        probability: f32 = 1.0, in 0.0..=1.0;
    }
}

impl ElasticConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Elastic(self.clone()))
    }
}

#[derive(Debug)]
struct Elastic(ElasticConfig);

impl Transform for Elastic {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.0.probability) && self.0.deviation > 0.0 {
            let deviation = self.0.deviation * plan.shape().height as f32;
            plan.displace(Displacement { grid: self.0.grid, deviation, seed: random.bits() });
        }
    }
}
