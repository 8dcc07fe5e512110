//! `ResNet-18` (He et al. 2015) as the official MedMNIST benchmark builds it for 28 pixels: the first convolution is 3x3 with
//! stride 1 and there is no max-pool. Names and order of layers are torchvision's.

use tch::Tensor;

use super::{Backbone, Entry, Request};
use crate::layers::{BatchNorm, Conv2d, Conv2dOptions, global_mean_pool, relu};
use crate::{Context, ModelError, Scope};

pub(super) const RESNET18: Entry = Entry {
    name: "resnet18",
    summary: "ResNet-18 with the 28-pixel stem of the official benchmark",
    default_width: 64,
    smallest_input: 8,
    build: |scope, request| Ok(Box::new(ResNet::new(scope, request, [2, 2, 2, 2])?)),
};

struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    blocks: Vec<BasicBlock>,
    features: i64,
}

impl ResNet {
    fn new(scope: &Scope, request: &Request<'_>, depths: [usize; 4]) -> Result<Self, ModelError> {
        let conv1 = Conv2d::new(&scope.enter("conv1"), request.input_channels, request.width, Conv2dOptions::three(1))?;
        let bn1 = BatchNorm::new(&scope.enter("bn1"), request.width)?;
        let mut blocks = Vec::new();
        let mut channels = request.width;
        for (stage, depth) in depths.into_iter().enumerate() {
            let output = request.width << stage;
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let scope = scope.enter(format_args!("layer{}.{index}", stage + 1));
                blocks.push(BasicBlock::new(&scope, channels, output, stride)?);
                channels = output;
            }
        }
        Ok(Self { conv1, bn1, blocks, features: channels })
    }
}

impl Backbone for ResNet {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let mut x = relu(self.bn1.forward(&self.conv1.forward(images, context)?, context)?)?;
        for block in &self.blocks {
            x = block.forward(&x, context)?;
        }
        global_mean_pool(&x)
    }
}

/// Two 3x3 convolutions around a shortcut.
struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl BasicBlock {
    fn new(scope: &Scope, input: i64, output: i64, stride: i64) -> Result<Self, ModelError> {
        let downsample = (stride != 1 || input != output)
            .then(|| -> Result<_, ModelError> {
                let conv = Conv2d::new(&scope.enter("downsample.0"), input, output, Conv2dOptions::one(stride))?;
                Ok((conv, BatchNorm::new(&scope.enter("downsample.1"), output)?))
            })
            .transpose()?;
        Ok(Self {
            conv1: Conv2d::new(&scope.enter("conv1"), input, output, Conv2dOptions::three(stride))?,
            bn1: BatchNorm::new(&scope.enter("bn1"), output)?,
            conv2: Conv2d::new(&scope.enter("conv2"), output, output, Conv2dOptions::three(1))?,
            bn2: BatchNorm::new(&scope.enter("bn2"), output)?,
            downsample,
        })
    }

    fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let inner = relu(self.bn1.forward(&self.conv1.forward(x, context)?, context)?)?;
        let mut inner = self.bn2.forward(&self.conv2.forward(&inner, context)?, context)?;
        let shortcut = match &self.downsample {
            Some((conv, bn)) => bn.forward(&conv.forward(x, context)?, context)?,
            None => x.shallow_clone(),
        };
        // In place: BatchNorm keeps its input for the way back, not its result.
        relu(inner.f_add_(&shortcut)?)
    }
}
