//! `EfficientNet-B0` (Tan and Le 2019), names and initialisation as in torchvision, its stochastic depth of 0.2 included.
//!
//! The small stem has stride 1 instead of 2. The width is that of the stem; all channels scale with it, to multiples of 8.
//! Most convolutions are depthwise, which CPUs compute slowly.

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{Conv, ConvNorm, ConvOptions, StochasticDepth, global_mean_pool, mean_over_space, silu};
use crate::{Activation, Context, ModelError, Scope};

/// Expansion, kernel, stride, channels and blocks of each stage (table 1 of the paper).
const STAGES: [(i64, i64, i64, i64, usize); 7] = [
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
];

const STEM: i64 = 32;
const STOCHASTIC_DEPTH: f64 = 0.2;

pub(super) const ENTRY: Entry = Entry {
    width: Some(STEM),
    stems: true,
    pretrained: Some(Pretrained { model: "torchvision efficientnet_b0", head: "classifier.1" }),
    ..Entry::new("efficientnet_b0", "inverted bottlenecks with squeeze and excitation", |scope, request| {
        Ok(Box::new(EfficientNet::new(scope, request)?))
    })
};

struct EfficientNet {
    stem: ConvNorm,
    blocks: Vec<Block>,
    last: ConvNorm,
    features: i64,
}

impl EfficientNet {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let scope = scope.enter("features");
        let scaled = |channels: i64| multiple_of_eight(channels * request.width, STEM);
        let stride = if request.stem == Stem::Small { 1 } else { 2 };
        let mut channels = scaled(STEM);
        let stem = conv_norm(&scope.enter(0), request.input_channels, channels, ConvOptions::same(3, stride))?;
        let total = STAGES.iter().map(|stage| stage.4).sum::<usize>();
        let mut blocks = Vec::with_capacity(total);
        for (stage, (expansion, kernel, stride, output, depth)) in (1..).zip(STAGES) {
            for index in 0..depth {
                let shape = Shape {
                    input: channels,
                    expanded: multiple_of_eight(channels * expansion, 1),
                    output: scaled(output),
                    kernel,
                    stride: if index == 0 { stride } else { 1 },
                    drop: STOCHASTIC_DEPTH * blocks.len() as f64 / total as f64,
                };
                blocks.push(Block::new(&scope.enter(stage).enter(index), shape)?);
                channels = scaled(output);
            }
        }
        let last = conv_norm(&scope.enter(STAGES.len() + 1), channels, 4 * channels, ConvOptions::same(1, 1))?;
        Ok(Self { stem, blocks, last, features: 4 * channels })
    }
}

impl Backbone for EfficientNet {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = silu(&self.stem.forward(images, context)?, context)?;
        for block in &self.blocks {
            x = block.forward(&x, context)?;
        }
        global_mean_pool(&silu(&self.last.forward(&x, context)?, context)?, context)
    }
}

/// `numerator / denominator` to the nearest multiple of 8, never more than a tenth below (the reference code's rule).
fn multiple_of_eight(numerator: i64, denominator: i64) -> i64 {
    let value = numerator as f64 / denominator as f64;
    let rounded = ((value + 4.0) as i64 / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * value { rounded + 8 } else { rounded }
}

fn kaiming(options: ConvOptions, output: i64) -> ConvOptions {
    ConvOptions { init: Some(Init::kaiming_normal_fan_out(options.fan_out(output))), ..options }
}

fn conv_norm(scope: &Scope, input: i64, output: i64, options: ConvOptions) -> Result<ConvNorm, ModelError> {
    ConvNorm::new(&scope.enter(0), &scope.enter(1), input, output, kaiming(options, output))
}

struct Shape {
    input: i64,
    expanded: i64,
    output: i64,
    kernel: i64,
    stride: i64,
    drop: f64,
}

struct Block {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    squeeze: Conv,
    excite: Conv,
    project: ConvNorm,
    residual: Option<StochasticDepth>,
}

impl Block {
    fn new(scope: &Scope, shape: Shape) -> Result<Self, ModelError> {
        let Shape { input, expanded, output, kernel, stride, drop } = shape;
        let layers = scope.enter("block");
        let mut number = 0;
        let mut next = || {
            number += 1;
            layers.enter(number - 1)
        };
        let expand =
            if expanded == input { None } else { Some(conv_norm(&next(), input, expanded, ConvOptions::same(1, 1))?) };
        let depthwise = ConvOptions { groups: expanded, ..ConvOptions::same(kernel, stride) };
        let depthwise = conv_norm(&next(), expanded, expanded, depthwise)?;
        let gate = next();
        let narrow = (input / 4).max(1);
        let one = |output| kaiming(ConvOptions { bias: true, ..ConvOptions::same(1, 1) }, output);
        Ok(Self {
            expand,
            depthwise,
            squeeze: Conv::new(&gate.enter("fc1"), expanded, narrow, one(narrow))?,
            excite: Conv::new(&gate.enter("fc2"), narrow, expanded, one(expanded))?,
            project: conv_norm(&next(), expanded, output, ConvOptions::same(1, 1))?,
            residual: (stride == 1 && input == output).then(|| StochasticDepth::new(scope, drop)),
        })
    }

    fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut y = x.share();
        if let Some(expand) = &self.expand {
            y = silu(&expand.forward(&y, context)?, context)?;
        }
        let y = silu(&self.depthwise.forward(&y, context)?, context)?;
        let gate = silu(&self.squeeze.forward(&mean_over_space(&y)?, context)?, context)?;
        let gate = self.excite.forward(&gate, context)?.sigmoid()?;
        let y = self.project.forward(&y.mul(&gate)?, context)?;
        match &self.residual {
            Some(drop) => x.add(&drop.forward(y, context)?),
            None => Ok(y),
        }
    }
}
