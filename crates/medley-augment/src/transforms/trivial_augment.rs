//! One random operation of random strength.

use super::operation::{Action, Operation, Space};
use super::rand_augment::note;
use crate::plan::Params;
use crate::{ImagePlanes, Plan, Random, Transform};

medley_core::keys! {
    /// One operation, of a strength drawn from 31 steps (Müller and Hutter, *TrivialAugment: tuning-free yet state-of-the-art data
    /// augmentation*, 2021; the wide ranges, as torchvision's `TrivialAugmentWide`). Nothing to tune. Translations go up to a seventh
    /// of the side, which are the paper's 32 pixels of 224: 32 pixels would push a 28-pixel image out of sight.
    pub struct TrivialAugmentConfig {}
}

impl TrivialAugmentConfig {
    #[expect(clippy::unused_self, reason = "as all transforms")]
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(TrivialAugment)
    }
}

#[derive(Debug)]
struct TrivialAugment;

const SPACE: Space =
    Space { shear: 0.99, translate: 32.0 / 224.0, degrees: 135.0, factor: 0.99, bits: 8.0, posterize: 6.0 };

impl Transform for TrivialAugment {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        let which = random.below(Operation::ALL.len() as u32) as usize;
        let strength = random.below(31) as f32 / 30.0;
        note(self, Operation::ALL[which].at(strength, &SPACE, random), plan);
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        Action::of(params).apply(image);
    }
}
