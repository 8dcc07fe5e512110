//! Wide residual nets (Zagoruyko and Komodakis 2016) of 16, 22, 28 or 40 layers: norm and `ReLU` before each convolution.
//!
//! The width is that of the first group: 64 is the paper's k = 4, 160 its k = 10. Names are those of the common PyTorch port
//! (`block1.layer.0.conv1`), and so is the initialisation, He's fan-out normal.

use super::{Backbone, Entry, Request};
use crate::init::Init;
use crate::layers::{BatchNorm, Conv, ConvNorm, ConvOptions, global_mean_pool};
use crate::{Activation, Context, ModelError, Scope};

pub(super) const ENTRY: Entry = Entry {
    width: Some(64),
    depths: &[16, 22, 28, 40],
    ..Entry::new("wide_resnet", "wide residual net; depth 16 and width 64 are WRN-16-4", |scope, request| {
        Ok(Box::new(WideResNet::new(scope, request)?))
    })
};

struct WideResNet {
    conv1: Conv,
    blocks: Vec<Block>,
    bn1: BatchNorm,
    features: i64,
}

impl WideResNet {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        const STEM: i64 = 16;
        let conv1 = conv(&scope.enter("conv1"), request.input_channels, STEM, 3, 1)?;
        let mut blocks = Vec::new();
        let mut channels = STEM;
        for group in 0..3 {
            let output = request.width << group;
            for index in 0..(request.depth - 4) / 6 {
                let stride = if group > 0 && index == 0 { 2 } else { 1 };
                let scope = scope.enter(format_args!("block{}.layer.{index}", group + 1));
                blocks.push(Block::new(&scope, channels, output, stride)?);
                channels = output;
            }
        }
        Ok(Self { conv1, blocks, bn1: BatchNorm::new(&scope.enter("bn1"), channels)?, features: channels })
    }
}

impl Backbone for WideResNet {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = self.conv1.forward(images, context)?;
        for block in &self.blocks {
            x = block.forward(&x, context)?;
        }
        global_mean_pool(&self.bn1.forward_relu(&x, context)?, context)
    }
}

fn conv(scope: &Scope, input: i64, output: i64, kernel: i64, stride: i64) -> Result<Conv, ModelError> {
    Conv::new(scope, input, output, options(output, kernel, stride))
}

fn options(output: i64, kernel: i64, stride: i64) -> ConvOptions {
    let options = ConvOptions::same(kernel, stride);
    ConvOptions { init: Some(Init::kaiming_normal_fan_out(options.fan_out(output))), ..options }
}

struct Block {
    bn1: BatchNorm,
    conv1: ConvNorm,
    conv2: Conv,
    shortcut: Option<Conv>,
}

impl Block {
    fn new(scope: &Scope, input: i64, output: i64, stride: i64) -> Result<Self, ModelError> {
        let shortcut = (input != output || stride != 1)
            .then(|| conv(&scope.enter("convShortcut"), input, output, 1, stride))
            .transpose()?;
        Ok(Self {
            bn1: BatchNorm::new(&scope.enter("bn1"), input)?,
            conv1: ConvNorm::new(
                &scope.enter("conv1"),
                &scope.enter("bn2"),
                input,
                output,
                options(output, 3, stride),
            )?,
            conv2: conv(&scope.enter("conv2"), output, output, 3, 1)?,
            shortcut,
        })
    }

    fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let normal = self.bn1.forward_relu(x, context)?;
        let inner = self.conv1.forward_relu(&normal, context)?;
        let inner = self.conv2.forward(&inner, context)?;
        // Where the shape changes, the shortcut starts from the normalised input, as in the paper's code.
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.forward(&normal, context)?,
            None => x.share(),
        };
        inner.add_(&shortcut)
    }
}
