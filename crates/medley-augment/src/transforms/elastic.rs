//! Smooth local displacements.

use serde::{Deserialize, Serialize};

use crate::config::{always, check};
use crate::plan::Displacement;
use crate::{AugmentError, Plan, Random, Transform};

/// Soft tissue pushed about: normal displacements on a coarse grid of control points, made smooth by cubic B-splines, as for
/// U-Net (Ronneberger, Fischer and Brox, 2015, section 3.1). Part of the one resampling. In volumes every slice is displaced
/// alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ElasticConfig {
    /// Standard deviation at the control points, as a share of the image's height, 0-0.5. U-Net's 10 pixels of 512 are 0.02; above
    /// a third of the control points' distance the image folds over itself.
    #[serde(serialize_with = "crate::config::plain")]
    pub deviation: f32,
    /// Control points along each axis, 2-32; by default 4.
    #[serde(default = "four")]
    pub grid: u32,
    /// Share of images it is done to, 0-1; by default 1.
    #[serde(default = "always", serialize_with = "crate::config::plain")]
    pub probability: f32,
}

fn four() -> u32 {
    4
}

impl ElasticConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("deviation", self.deviation, 0.0, 0.5)?;
        check("grid", self.grid, 2, 32)?;
        check("probability", self.probability, 0.0, 1.0)?;
        Ok(Box::new(Elastic(self.clone())))
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
