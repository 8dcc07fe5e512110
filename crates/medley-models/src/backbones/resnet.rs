//! Residual nets (He et al. 2015), flat and over volumes.
//!
//! With the small stem they are the nets of the official MedMNIST benchmark at 28 pixels: the first convolution is 3x3 with
//! stride 1, there is no max-pool, and parameters start as PyTorch's layers do. With the `ImageNet` stem they are
//! torchvision's, initialisation included. Names and order of layers are torchvision's in either. The volume forms replace
//! every convolution, norm and pool of the same net, as the official 3D benchmark does.

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{ConvNorm, ConvOptions, global_mean_pool, max_pool};
use crate::{Activation, Context, ModelError, Scope};

pub(super) const RESNET18: Entry = Entry {
    width: Some(64),
    stems: true,
    pretrained: Some(Pretrained { model: "torchvision resnet18", head: "fc" }),
    ..Entry::new("resnet18", "18-layer residual net; at 28 pixels that of the official benchmark", build18)
};

pub(super) const RESNET50: Entry = Entry {
    width: Some(64),
    stems: true,
    pretrained: Some(Pretrained { model: "torchvision resnet50", head: "fc" }),
    ..Entry::new("resnet50", "50-layer residual net; at 28 pixels that of the official benchmark", build50)
};

pub(super) const RESNET18_3D: Entry = Entry {
    volumes: true,
    pretrained: None,
    ..Entry {
        name: "resnet18_3d",
        summary: "18-layer residual net over volumes: 3D, 2.5D or ACS convolutions",
        ..RESNET18
    }
};

pub(super) const RESNET50_3D: Entry = Entry {
    volumes: true,
    pretrained: None,
    ..Entry {
        name: "resnet50_3d",
        summary: "50-layer residual net over volumes: 3D, 2.5D or ACS convolutions",
        ..RESNET50
    }
};

fn build18(scope: &Scope, request: &Request) -> Result<Box<dyn Backbone>, ModelError> {
    Ok(Box::new(ResNet::new(scope, request, Kind::Basic, [2, 2, 2, 2])?))
}

fn build50(scope: &Scope, request: &Request) -> Result<Box<dyn Backbone>, ModelError> {
    Ok(Box::new(ResNet::new(scope, request, Kind::Bottleneck, [3, 4, 6, 3])?))
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Two 3x3 convolutions.
    Basic,
    /// 1x1, 3x3, and 1x1 to four times the channels.
    Bottleneck,
}

struct ResNet {
    stem: ConvNorm,
    pool: bool,
    blocks: Vec<Block>,
    features: i64,
}

impl ResNet {
    fn new(scope: &Scope, request: &Request, kind: Kind, depths: [usize; 4]) -> Result<Self, ModelError> {
        let (stem, pool) = match request.stem {
            Stem::Small => (ConvOptions::same(3, 1), false),
            Stem::Imagenet => (ConvOptions::same(7, 2), true),
        };
        let mut maker = Maker { request, input: request.input_channels };
        let stem = maker.conv_norm(scope, "conv1", "bn1", request.width, stem)?;
        let mut blocks = Vec::new();
        for (stage, depth) in depths.into_iter().enumerate() {
            for index in 0..depth {
                let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                let scope = scope.enter(format_args!("layer{}.{index}", stage + 1));
                blocks.push(Block::new(&scope, &mut maker, kind, request.width << stage, stride)?);
            }
        }
        Ok(Self { stem, pool, blocks, features: maker.input })
    }
}

impl Backbone for ResNet {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = self.stem.forward_relu(images, context)?;
        if self.pool {
            x = max_pool(&x, 3, 2, 1, context)?;
        }
        for block in &self.blocks {
            x = block.forward(&x, context)?;
        }
        global_mean_pool(&x, context)
    }
}

/// Makes convolutions one after another, each on what the last one gave.
struct Maker<'a> {
    request: &'a Request,
    input: i64,
}

impl Maker<'_> {
    fn conv_norm(
        &mut self,
        scope: &Scope,
        conv: &str,
        norm: &str,
        output: i64,
        options: ConvOptions,
    ) -> Result<ConvNorm, ModelError> {
        let options = ConvOptions { space: self.request.space, ..options };
        let init = (self.request.stem == Stem::Imagenet).then(|| Init::kaiming_normal_fan_out(options.fan_out(output)));
        let input = std::mem::replace(&mut self.input, output);
        ConvNorm::new(&scope.enter(conv), &scope.enter(norm), input, output, ConvOptions { init, ..options })
    }
}

/// Convolutions around a shortcut; `ReLU` follows each, the last with the shortcut added.
struct Block {
    main: Vec<ConvNorm>,
    last: ConvNorm,
    downsample: Option<ConvNorm>,
}

impl Block {
    fn new(scope: &Scope, maker: &mut Maker<'_>, kind: Kind, width: i64, stride: i64) -> Result<Self, ModelError> {
        let same = ConvOptions::same;
        let (first, last): (&[(i64, ConvOptions)], _) = match kind {
            Kind::Basic => (&[(width, same(3, stride))], (width, same(3, 1))),
            Kind::Bottleneck => (&[(width, same(1, 1)), (width, same(3, stride))], (4 * width, same(1, 1))),
        };
        let input = maker.input;
        let mut layer = |index: usize, (output, options): (i64, ConvOptions)| {
            maker.conv_norm(scope, &format!("conv{index}"), &format!("bn{index}"), output, options)
        };
        let main = (1..).zip(first).map(|(index, &options)| layer(index, options)).collect::<Result<_, _>>()?;
        let last = layer(first.len() + 1, last)?;
        let output = maker.input;
        let downsample = if stride != 1 || input != output {
            maker.input = input;
            Some(maker.conv_norm(scope, "downsample.0", "downsample.1", output, same(1, stride))?)
        } else {
            None
        };
        Ok(Self { main, last, downsample })
    }

    fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut inner = x.share();
        for layer in &self.main {
            inner = layer.forward_relu(&inner, context)?;
        }
        let shortcut = match &self.downsample {
            Some(layer) => layer.forward(x, context)?,
            None => x.share(),
        };
        self.last.forward_add_relu(&inner, &shortcut, context)
    }
}
