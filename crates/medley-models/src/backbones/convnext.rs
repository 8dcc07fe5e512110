//! `ConvNeXt`-Tiny (Liu et al. 2022), names and initialisation as in torchvision, its stochastic depth of 0.1 included.
//!
//! The `ImageNet` stem cuts the image into patches of 4; the small one is a 3x3 convolution of stride 1. Depthwise 7x7
//! convolutions are slow per multiplication on CPUs: expect four to eight times the seconds of a dense net of equal work.

use tch::Tensor;

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{Conv, ConvOptions, LayerNorm, Linear, StochasticDepth, gelu, global_mean_pool};
use crate::{Activation, Context, ModelError, Scope};

const DEPTHS: [usize; 4] = [3, 3, 9, 3];
const STOCHASTIC_DEPTH: f64 = 0.1;
const LAYER_SCALE: f32 = 1e-6;
const CHANNELS_LAST: [usize; 4] = [0, 2, 3, 1];
const CHANNELS_FIRST: [usize; 4] = [0, 3, 1, 2];
const WEIGHT: Init = Init::TruncatedNormal { std: 0.02 };

pub(super) const ENTRY: Entry = Entry {
    width: Some(96),
    stems: true,
    batch_norm: false,
    pretrained: Some(Pretrained { model: "torchvision convnext_tiny", head: "classifier.2" }),
    ..Entry::new(
        "convnext_tiny",
        "depthwise convolutions and layer norms in the manner of transformers",
        |scope, request| Ok(Box::new(ConvNext::new(scope, request)?)),
    )
};

struct ConvNext {
    /// Each stage: a norm and a convolution that change the resolution (in the first, the other way round), and blocks.
    stages: Vec<(Conv, LayerNorm, Vec<Block>)>,
    norm: LayerNorm,
    features: i64,
}

impl ConvNext {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let trunk = scope.enter("features");
        let total = DEPTHS.iter().sum::<usize>();
        let patch = |side| ConvOptions { kernel: side, stride: side, padding: 0, bias: true, ..ConvOptions::default() };
        let stem = match request.stem {
            Stem::Small => ConvOptions { bias: true, ..ConvOptions::same(3, 1) },
            Stem::Imagenet => patch(4),
        };
        let mut stages = Vec::new();
        let (mut channels, mut before) = (request.input_channels, 0);
        for (stage, depth) in DEPTHS.into_iter().enumerate() {
            let output = request.width << stage;
            let entrance = trunk.enter(2 * stage);
            let (conv, norm) = if stage == 0 {
                let conv = ConvOptions { init: Some(WEIGHT), ..stem };
                (Conv::new(&entrance.enter(0), channels, output, conv)?, LayerNorm::new(&entrance.enter(1), output)?)
            } else {
                let conv = ConvOptions { init: Some(WEIGHT), ..patch(2) };
                (Conv::new(&entrance.enter(1), channels, output, conv)?, LayerNorm::new(&entrance.enter(0), channels)?)
            };
            channels = output;
            let blocks = (0..depth)
                .map(|index| {
                    let drop = STOCHASTIC_DEPTH * (before + index) as f64 / (total - 1) as f64;
                    Block::new(&trunk.enter(2 * stage + 1).enter(index), channels, drop)
                })
                .collect::<Result<_, _>>()?;
            before += depth;
            stages.push((conv, norm, blocks));
        }
        let norm = LayerNorm::new(&scope.enter("classifier.0"), channels)?;
        Ok(Self { stages, norm, features: channels })
    }
}

impl Backbone for ConvNext {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = images.share();
        for (stage, (conv, norm, blocks)) in self.stages.iter().enumerate() {
            x = if stage == 0 {
                over_channels(norm, &conv.forward(&x, context)?, context)?
            } else {
                conv.forward(&over_channels(norm, &x, context)?, context)?
            };
            for block in blocks {
                x = block.forward(&x, context)?;
            }
        }
        self.norm.forward(&global_mean_pool(&x, context)?, context)
    }
}

/// A norm over the channels of `[N, C, H, W]`. With channels last in memory, moving the axis is a view.
fn over_channels(norm: &LayerNorm, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    norm.forward(&x.permute(&CHANNELS_LAST)?, context)?.permute(&CHANNELS_FIRST)
}

struct Block {
    depthwise: Conv,
    norm: LayerNorm,
    expand: Linear,
    project: Linear,
    scale: Tensor,
    drop: StochasticDepth,
}

impl Block {
    fn new(scope: &Scope, channels: i64, drop: f64) -> Result<Self, ModelError> {
        let inner = scope.enter("block");
        let zero = Init::Constant(0.0);
        let depthwise = ConvOptions { groups: channels, bias: true, init: Some(WEIGHT), ..ConvOptions::same(7, 1) };
        Ok(Self {
            depthwise: Conv::new(&inner.enter(0), channels, channels, depthwise)?,
            norm: LayerNorm::new(&inner.enter(2), channels)?,
            expand: Linear::with_init(&inner.enter(3), channels, 4 * channels, WEIGHT, zero)?,
            project: Linear::with_init(&inner.enter(5), 4 * channels, channels, WEIGHT, zero)?,
            scale: scope.parameter("layer_scale", &[channels, 1, 1], Init::Constant(LAYER_SCALE))?,
            drop: StochasticDepth::new(scope, drop),
        })
    }

    fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let y = self.depthwise.forward(x, context)?.permute(&CHANNELS_LAST)?;
        let y = gelu(&self.expand.forward(&self.norm.forward(&y, context)?, context)?, context)?;
        let y = self.project.forward(&y, context)?.permute(&CHANNELS_FIRST)?;
        let y = self.drop.forward(y.mul_parameter(&self.scale, context)?, context)?;
        x.add(&y)
    }
}
