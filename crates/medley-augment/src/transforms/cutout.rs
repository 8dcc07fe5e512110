//! A square without content.

use serde::{Deserialize, Serialize};

use super::random_erasing::{Box3, Fill, erase};
use crate::config::{always, check};
use crate::plan::Params;
use crate::{AugmentError, ImagePlanes, Plan, Random, Transform};

/// Fills a square (in volumes a cube) whose centre lies anywhere in the image, so that part of it may lie outside (`DeVries` and
/// Taylor, *Improved regularization of convolutional neural networks with cutout*, 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutoutConfig {
    /// Side in pixels, 1-1024.
    pub size: u32,
    /// What it is filled with; by default black.
    #[serde(default)]
    pub fill: Fill,
    /// Share of images it is done to, 0-1; by default 1.
    #[serde(default = "always", serialize_with = "crate::config::plain")]
    pub probability: f32,
}

impl CutoutConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("size", self.size, 1, 1024)?;
        check("probability", self.probability, 0.0, 1.0)?;
        Ok(Box::new(Cutout(self.clone())))
    }
}

#[derive(Debug)]
struct Cutout(CutoutConfig);

impl Transform for Cutout {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if !random.chance(self.0.probability) {
            return;
        }
        let shape = plan.shape();
        let mut span = |length: usize| {
            let start = i64::from(random.below(length as u32)) - i64::from(self.0.size / 2);
            let end = (start + i64::from(self.0.size)).min(length as i64);
            [start.max(0) as usize, end.max(0) as usize]
        };
        let region = Box3 { spans: [shape.depth.unwrap_or(1), shape.height, shape.width].map(&mut span) };
        plan.then(self, region.params().with_seed(random.bits()));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        erase(image, Box3::of(params), self.0.fill, params.seed);
    }
}
