//! Several random operations of one strength.

use super::operation::{Action, Operation, Space};
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// `operations` draws, with replacement, from 14 operations (identity, shears, translations, rotation, brightness, colour,
    /// contrast, sharpness, posterize, solarize, auto-contrast, equalize), all of one magnitude (Cubuk et al., *RandAugment*, 2020;
    /// ranges as torchvision's `RandAugment`). Geometric ones join the one resampling of the policy.
    pub struct RandAugmentConfig {
        /// Operations per image.
        operations: u32 = 2, in 1..=8;
        /// Strength.
        magnitude: u32 = 9, in 0..=30;
    }
}

impl RandAugmentConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(RandAugment { operations: self.operations, strength: self.magnitude as f32 / 30.0 })
    }
}

#[derive(Debug)]
struct RandAugment {
    operations: u32,
    strength: f32,
}

const SPACE: Space =
    Space { shear: 0.3, translate: 150.0 / 331.0, degrees: 30.0, factor: 0.9, bits: 8.0, posterize: 4.0 };

impl Transform for RandAugment {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        for _ in 0..self.operations {
            let which = random.below(Operation::ALL.len() as u32) as usize;
            note(self, Operation::ALL[which].at(self.strength, &SPACE, random), plan);
        }
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        Action::of(params).apply(image);
    }
}

/// Puts an action where it belongs: into the map, or among the steps.
pub(super) fn note<'t>(transform: &'t dyn Transform, action: Action, plan: &mut Plan<'t>) {
    match action.map(plan.shape()) {
        Some(map) => plan.warp(map),
        None if action.touches_pixels() => plan.then(transform, action.params()),
        None => {}
    }
}
