//! `ResNet-9` of David Page's `DAWNBench` entry (*How to train your ResNet*, 2018), the most accuracy per second on 28 pixels.
//!
//! Channels w, 2w, 4w, 8w; two residual pairs; three 2x2 max-pools; a global max-pool. Page's w is 64; his factor of 1/8 on
//! the logits belongs to the head and is left out. Default width: 32, a quarter of the work.

use tch::Tensor;

use super::{Backbone, Entry, Request};
use crate::layers::{BatchNorm, Conv2d, Conv2dOptions, relu};
use crate::{Context, ModelError, Scope};

pub(super) const ENTRY: Entry = Entry {
    name: "resnet9",
    summary: "Page's 9-layer residual net for small images",
    default_width: 32,
    smallest_input: 8,
    build: |scope, request| Ok(Box::new(ResNet9::new(scope, request)?)),
};

struct ResNet9 {
    prep: ConvBlock,
    layer1: ConvBlock,
    residual1: [ConvBlock; 2],
    layer2: ConvBlock,
    layer3: ConvBlock,
    residual3: [ConvBlock; 2],
    features: i64,
}

impl ResNet9 {
    fn new(scope: &Scope, request: &Request<'_>) -> Result<Self, ModelError> {
        let w = request.width;
        let block = |name: &str, input, output| ConvBlock::new(&scope.enter(name), input, output);
        Ok(Self {
            prep: block("prep", request.input_channels, w)?,
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

    fn forward(&self, images: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let x = self.prep.forward(images, context)?;
        let x = halve(&self.layer1.forward(&x, context)?)?;
        let x = residual(&x, &self.residual1, context)?;
        let x = halve(&self.layer2.forward(&x, context)?)?;
        let x = halve(&self.layer3.forward(&x, context)?)?;
        let x = residual(&x, &self.residual3, context)?;
        let (x, _) = x.f_adaptive_max_pool2d([1, 1])?;
        Ok(x.f_flatten(1, -1)?)
    }
}

/// Convolution, normalisation, rectifier.
struct ConvBlock {
    conv: Conv2d,
    bn: BatchNorm,
}

impl ConvBlock {
    fn new(scope: &Scope, input: i64, output: i64) -> Result<Self, ModelError> {
        let conv = Conv2d::new(&scope.enter("conv"), input, output, Conv2dOptions::three(1))?;
        Ok(Self { conv, bn: BatchNorm::new(&scope.enter("bn"), output)? })
    }

    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        relu(self.bn.forward(&self.conv.forward(x, context)?, context)?)
    }
}

fn residual(x: &Tensor, blocks: &[ConvBlock; 2], context: &Context<'_>) -> Result<Tensor, ModelError> {
    let inner = blocks[0].forward(x, context)?;
    let inner = blocks[1].forward(&inner, context)?;
    // Not in place: the rectifier before the addition keeps its result for the way back.
    Ok(x.f_add(&inner)?)
}

fn halve(x: &Tensor) -> Result<Tensor, ModelError> {
    Ok(x.f_max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false)?)
}
