//! `DenseNet-121` (Huang et al. 2016), names and initialisation as in torchvision. The width is that of the first
//! convolution, twice the growth rate. The small stem is 3x3 with stride 1, without the pool.

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{BatchNorm, Conv, ConvNorm, ConvOptions, global_mean_pool, max_pool, mean_pool};
use crate::{Activation, Context, ModelError, Scope};

const DEPTHS: [usize; 4] = [6, 12, 24, 16];

pub(super) const ENTRY: Entry = Entry {
    width: Some(64),
    width_step: 2,
    stems: true,
    pretrained: Some(Pretrained { model: "torchvision densenet121", head: "classifier" }),
    ..Entry::new("densenet121", "densely connected net of 121 layers", |scope, request| {
        Ok(Box::new(DenseNet::new(scope, request)?))
    })
};

struct DenseNet {
    stem: ConvNorm,
    pool: bool,
    stages: Vec<Stage>,
    norm: BatchNorm,
    features: i64,
}

struct Stage {
    layers: Vec<DenseLayer>,
    /// Halves channels and sides; the last stage has none.
    transition: Option<(BatchNorm, Conv)>,
}

impl DenseNet {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let scope = scope.enter("features");
        let (stem, pool) = match request.stem {
            Stem::Small => (ConvOptions::same(3, 1), false),
            Stem::Imagenet => (ConvOptions::same(7, 2), true),
        };
        let stem = kaiming(stem, request.input_channels);
        let growth = request.width / 2;
        let mut channels = request.width;
        let stem = ConvNorm::new(&scope.enter("conv0"), &scope.enter("norm0"), request.input_channels, channels, stem)?;
        let mut stages = Vec::new();
        for (stage, depth) in (1..).zip(DEPTHS) {
            let block = scope.enter(format_args!("denseblock{stage}"));
            let mut layers = Vec::with_capacity(depth);
            for layer in 1..=depth {
                layers.push(DenseLayer::new(&block.enter(format_args!("denselayer{layer}")), channels, growth)?);
                channels += growth;
            }
            let transition = (stage < DEPTHS.len())
                .then(|| -> Result<_, ModelError> {
                    let scope = scope.enter(format_args!("transition{stage}"));
                    let norm = BatchNorm::new(&scope.enter("norm"), channels)?;
                    let options = kaiming(ConvOptions::same(1, 1), channels);
                    Ok((norm, Conv::new(&scope.enter("conv"), channels, channels / 2, options)?))
                })
                .transpose()?;
            if transition.is_some() {
                channels /= 2;
            }
            stages.push(Stage { layers, transition });
        }
        Ok(Self { stem, pool, stages, norm: BatchNorm::new(&scope.enter("norm5"), channels)?, features: channels })
    }
}

impl Backbone for DenseNet {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = self.stem.forward_relu(images, context)?;
        if self.pool {
            x = max_pool(&x, 3, 2, 1, context)?;
        }
        for stage in &self.stages {
            let mut parts = vec![x];
            for layer in &stage.layers {
                let new = layer.forward(&Activation::concat(&parts)?, context)?;
                parts.push(new);
            }
            x = Activation::concat(&parts)?;
            if let Some((norm, conv)) = &stage.transition {
                let y = conv.forward(&norm.forward_relu(&x, context)?, context)?;
                x = mean_pool(&y, 2, context)?;
            }
        }
        global_mean_pool(&self.norm.forward_relu(&x, context)?, context)
    }
}

/// torchvision's `kaiming_normal_` with its default mode, fan-in.
fn kaiming(options: ConvOptions, input: i64) -> ConvOptions {
    let fan_in = input * options.kernel * options.kernel;
    ConvOptions { init: Some(Init::Normal { std: (2.0 / fan_in as f64).sqrt() }), ..options }
}

/// Norm, 1x1 to four times the growth, norm, 3x3 to the growth.
struct DenseLayer {
    norm1: BatchNorm,
    conv1: ConvNorm,
    conv2: Conv,
}

impl DenseLayer {
    fn new(scope: &Scope, input: i64, growth: i64) -> Result<Self, ModelError> {
        let narrow = kaiming(ConvOptions::same(1, 1), input);
        let wide = kaiming(ConvOptions::same(3, 1), 4 * growth);
        Ok(Self {
            norm1: BatchNorm::new(&scope.enter("norm1"), input)?,
            conv1: ConvNorm::new(&scope.enter("conv1"), &scope.enter("norm2"), input, 4 * growth, narrow)?,
            conv2: Conv::new(&scope.enter("conv2"), 4 * growth, growth, wide)?,
        })
    }

    fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let x = self.norm1.forward_relu(x, context)?;
        let x = self.conv1.forward_relu(&x, context)?;
        self.conv2.forward(&x, context)
    }
}
