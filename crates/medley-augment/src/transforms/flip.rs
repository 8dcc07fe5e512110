//! Mirror images.

use crate::geometry::Axis;
use crate::{Map, Plan, Random, Transform};

medley_core::choices! {
    /// Which way to mirror.
    pub enum FlipAxis {
        /// Left becomes right.
        Horizontal = "horizontal",
        /// Top becomes bottom.
        Vertical = "vertical",
        /// The first slice becomes the last. Changes nothing in flat images.
        Depth = "depth",
    }
}

medley_core::keys! {
    /// Mirrors one axis with a probability. Exact: pixels are moved, none is computed.
    pub struct FlipConfig {
        /// Which way.
        axis: FlipAxis;
        /// Share of images it is done to.
        probability: f32 = 0.5, in 0.0..=1.0;
    }
}

impl FlipConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        let axis = match self.axis {
            FlipAxis::Horizontal => Axis::Width,
            FlipAxis::Vertical => Axis::Height,
            FlipAxis::Depth => Axis::Depth,
        };
        Box::new(Flip { axis, probability: self.probability })
    }
}

#[derive(Debug)]
struct Flip {
    axis: Axis,
    probability: f32,
}

impl Transform for Flip {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        if random.chance(self.probability) {
            plan.warp(Map::flip(self.axis));
        }
    }
}
