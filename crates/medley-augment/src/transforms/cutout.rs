//! A square without content.

use super::random_erasing::{Box3, Fill, erase};
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// Fills a square (in volumes a cube) whose centre lies anywhere in the image, so that part of it may lie outside (`DeVries` and
    /// Taylor, *Improved regularization of convolutional neural networks with cutout*, 2017).
    pub struct CutoutConfig {
        /// Side in pixels.
        size: u32, in 1..=1024;
        /// What it is filled with.
        fill: Fill = Fill::Black;
        /// Share of images it is done to.
        probability: f32 = 1.0, in 0.0..=1.0;
    }
}

impl CutoutConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(Cutout(self.clone()))
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
