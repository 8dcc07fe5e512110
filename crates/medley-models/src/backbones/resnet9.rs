//! `ResNet-9` of David Page's `DAWNBench` entry (*How to train your ResNet*, 2018), the most accuracy per second on 28 pixels.
//!
//! Channels w, 2w, 4w, 8w; two residual pairs; three 2x2 max-pools; a global max-pool. Page's w is 64; his factor of 1/8 on
//! the logits belongs to the head and is left out. Default width: 32, a quarter of the work.
//!
//! With `whitening`, a 2x2 convolution and a GELU come first, as in Keller Jordan's `airbench` (2024). Its weight is to be the
//! eigenvectors of patches over the roots of their eigenvalues, and to stay so: the training loop measures and freezes it.

use super::{Backbone, Entry, Request};
use crate::layers::{Conv, ConvNorm, ConvOptions, gelu, global_max_pool, halve};
use crate::{Activation, Context, ModelError, Scope};

pub(super) const ENTRY: Entry = Entry {
    width: Some(32),
    whitening: true,
    ..Entry::new("resnet9", "Page's 9-layer residual net for small images", |scope, request| {
        Ok(Box::new(ResNet9::new(scope, request)?))
    })
};

struct ResNet9 {
    whiten: Option<Conv>,
    prep: ConvNorm,
    layer1: ConvNorm,
    residual1: [ConvNorm; 2],
    layer2: ConvNorm,
    layer3: ConvNorm,
    residual3: [ConvNorm; 2],
    features: i64,
}

impl ResNet9 {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let w = request.width;
        let patch = ConvOptions { kernel: 2, padding: 0, bias: true, ..ConvOptions::default() };
        // As many directions as a patch has values, and their opposites.
        let whitened = 2 * 4 * request.input_channels;
        let whiten =
            request.whitening.then(|| Conv::new(&scope.enter("whiten"), request.input_channels, whitened, patch));
        let whiten = whiten.transpose()?;
        let input = if whiten.is_some() { whitened } else { request.input_channels };
        let block = |name: &str, input, output| {
            let scope = scope.enter(name);
            ConvNorm::new(&scope.enter("conv"), &scope.enter("bn"), input, output, ConvOptions::same(3, 1))
        };
        Ok(Self {
            whiten,
            prep: block("prep", input, w)?,
            layer1: block("layer1", w, 2 * w)?,
            residual1: [block("layer1.residual.0", 2 * w, 2 * w)?, block("layer1.residual.1", 2 * w, 2 * w)?],
            layer2: block("layer2", 2 * w, 4 * w)?,
            layer3: block("layer3", 4 * w, 8 * w)?,
            residual3: [block("layer3.residual.0", 8 * w, 8 * w)?, block("layer3.residual.1", 8 * w, 8 * w)?],
            features: 8 * w,
        })
    }
}

impl Backbone for ResNet9 {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let rectified = |layer: &ConvNorm, x: &Activation| layer.forward_relu(x, context);
        let halved = |layer: &ConvNorm, x: &Activation| halve(&layer.forward(x, context)?, context);
        let residual = |x: Activation, [first, second]: &[ConvNorm; 2]| -> Result<Activation, ModelError> {
            // Not in place: the ReLU before the addition keeps its result for the backward pass.
            x.add(&rectified(second, &rectified(first, &x)?)?)
        };
        let x = match &self.whiten {
            Some(whiten) => rectified(&self.prep, &gelu(&whiten.forward(images, context)?, context)?)?,
            None => rectified(&self.prep, images)?,
        };
        let x = residual(halved(&self.layer1, &x)?, &self.residual1)?;
        let x = halved(&self.layer2, &x)?;
        let x = residual(halved(&self.layer3, &x)?, &self.residual3)?;
        global_max_pool(&x, context)
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    #[test]
    fn relu_may_wait_for_the_pool() {
        let value_and_gradient = |late: bool| {
            let x = crate::conformance::noise(3, 2, 5, 7).unwrap().set_requires_grad(true);
            let pool = |x: tch::Tensor| x.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
            let y = if late { pool(&x * 1.0).relu() } else { pool((&x * 1.0).relu()) };
            (&y * &y).sum(Kind::Float).backward();
            (y, x.grad())
        };
        let (late, early) = (value_and_gradient(true), value_and_gradient(false));
        assert!(late.0.equal(&early.0) && late.1.equal(&early.1));
    }
}
