//! Chains of random operations, mixed with the image.

use super::operation::{Operation, Space};
use crate::kernel::blur::add_scaled;
use crate::kernel::colour::scale;
use crate::plan::Params;
use crate::{ImagePlanes, Map, Plan, Random, Transform};

medley_core::keys! {
    /// Convex mixture of the image and `width` copies of it, each after a chain of random operations (Hendrycks et al., *AugMix*,
    /// 2020; menu and ranges as torchvision's `AugMix` without `all_ops`). Each chain is one resampling and then its operations on
    /// pixels. The consistency loss of the paper belongs to training.
    pub struct AugMixConfig {
        /// Most strength of an operation.
        severity: u32 = 3, in 1..=10;
        /// Number of chains.
        width: u32 = 3, in 1..=8;
        /// Most operations in a chain.
        depth: u32 = 3, in 1..=8;
        /// Of the Dirichlet and Beta distributions of the weights.
        alpha: f32 = 1.0, in 0.01..=100.0;
    }
}

impl AugMixConfig {
    pub(crate) fn build(&self) -> Box<dyn Transform> {
        Box::new(AugMix(self.clone()))
    }
}

#[derive(Debug)]
struct AugMix(AugMixConfig);

const SPACE: Space = Space { shear: 0.3, translate: 1.0 / 3.0, degrees: 30.0, factor: 0.9, bits: 4.0, posterize: 4.0 };

impl Transform for AugMix {
    fn draw<'t>(&'t self, random: &mut Random, plan: &mut Plan<'t>) {
        plan.then(self, Params::of(&[]).with_seed(random.bits()));
    }

    fn apply(&self, params: &Params, image: &mut ImagePlanes<'_>) {
        let mut random = Random::from_seed(params.seed);
        let alpha = f64::from(self.0.alpha);
        let share = random.beta(alpha) as f32;
        let mut weights = [0.0_f64; 8];
        let weights = &mut weights[..self.0.width as usize];
        for weight in weights.iter_mut() {
            *weight = random.gamma(alpha);
        }
        let sum: f64 = weights.iter().sum();

        // Taken out, so that chains can use the rest of the scratch.
        let (pixels, scratch) = image.with_scratch();
        let [mut original, mut chain, mut mixed] = std::mem::take(&mut scratch.copies);
        let mut inner = std::mem::take(scratch);
        original.clear();
        original.extend_from_slice(pixels);
        mixed.clear();
        mixed.resize(original.len(), 0.0);
        for weight in weights {
            chain.clear();
            chain.extend_from_slice(&original);
            self.run_chain(&mut image.beside(&mut chain, &mut inner), &mut random);
            // All weights may be 0 by underflow if alpha is tiny.
            let weight = if sum > 0.0 { *weight / sum } else { 1.0 / f64::from(self.0.width) };
            add_scaled(&mut mixed, &chain, weight as f32 * share);
        }
        let (pixels, scratch) = image.with_scratch();
        scale(pixels, 1.0 - share, 0.0);
        add_scaled(pixels, &mixed, 1.0);
        scale(pixels, 1.0, 0.0);
        *scratch = inner;
        scratch.copies = [original, chain, mixed];
    }
}

impl AugMix {
    fn run_chain(&self, image: &mut ImagePlanes<'_>, random: &mut Random) {
        let menu = Operation::APART_FROM_CORRUPTIONS;
        let mut actions = [None; 8];
        let mut map = Map::IDENTITY;
        let depth = 1 + random.below(self.0.depth) as usize;
        for action in &mut actions[..depth] {
            let which = random.below(menu.len() as u32) as usize;
            let strength = random.below(self.0.severity) as f32 / 9.0;
            let chosen = menu[which].at(strength, &SPACE, random);
            match chosen.map(image.shape()) {
                Some(more) => map = map.then(more),
                None => *action = Some(chosen),
            }
        }
        image.warp(&map);
        actions.into_iter().flatten().for_each(|action| action.apply(image));
    }
}
