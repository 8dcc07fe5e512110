//! Mirror images.

use serde::{Deserialize, Serialize};

use crate::config::{check, half};
use crate::geometry::Axis;
use crate::{AugmentError, Map, Plan, Random, Transform};

/// Which way to mirror.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FlipAxis {
    /// Left becomes right.
    Horizontal,
    /// Top becomes bottom.
    Vertical,
    /// The first slice becomes the last. Changes nothing in flat images.
    Depth,
}

/// Mirrors one axis with a probability. Exact: pixels are moved, none is computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlipConfig {
    /// Which way.
    pub axis: FlipAxis,
    /// Share of images it is done to, 0-1; by default 0.5.
    #[serde(default = "half", serialize_with = "crate::config::plain")]
    pub probability: f32,
}

impl FlipConfig {
    pub(crate) fn build(&self) -> Result<Box<dyn Transform>, AugmentError> {
        check("probability", self.probability, 0.0, 1.0)?;
        let axis = match self.axis {
            FlipAxis::Horizontal => Axis::Width,
            FlipAxis::Vertical => Axis::Height,
            FlipAxis::Depth => Axis::Depth,
        };
        Ok(Box::new(Flip { axis, probability: self.probability }))
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
