//! VGG-11 and VGG-16 with `BatchNorm` (Simonyan and Zisserman 2014), names and initialisation as in torchvision.
//!
//! From 32 pixels and with the `ImageNet` stem, they are torchvision's, its two hidden layers of 4096 and their dropout
//! included: the features are what its last linear layer sees. The small form leaves out the last pool (28 pixels would have
//! none left) and the hidden layers, and averages over space.

use super::{Backbone, Entry, Pretrained, Request, Stem};
use crate::init::Init;
use crate::layers::{ConvNorm, ConvOptions, Dropout, Linear, adaptive_mean_pool, global_mean_pool, max_pool, relu};
use crate::{Activation, Context, ModelError, Scope};

/// Multiples of the width; 0 is a pool.
const LAYERS_11: &[i64] = &[1, 0, 2, 0, 4, 4, 0, 8, 8, 0, 8, 8, 0];
const LAYERS_16: &[i64] = &[1, 1, 0, 2, 2, 0, 4, 4, 4, 0, 8, 8, 8, 0, 8, 8, 8, 0];

const HIDDEN: i64 = 4096;

pub(super) const VGG11: Entry = Entry {
    width: Some(64),
    stems: true,
    smallest_input: 16,
    pretrained: Some(Pretrained { model: "torchvision vgg11_bn", head: "classifier.6" }),
    ..Entry::new("vgg11_bn", "11-layer net of 3x3 convolutions and pools", |scope, request| {
        Ok(Box::new(Vgg::new(scope, request, LAYERS_11)?))
    })
};

pub(super) const VGG16: Entry = Entry {
    width: Some(64),
    stems: true,
    smallest_input: 16,
    pretrained: Some(Pretrained { model: "torchvision vgg16_bn", head: "classifier.6" }),
    ..Entry::new("vgg16_bn", "16-layer net of 3x3 convolutions and pools", |scope, request| {
        Ok(Box::new(Vgg::new(scope, request, LAYERS_16)?))
    })
};

struct Vgg {
    /// `None` is a pool.
    layers: Vec<Option<ConvNorm>>,
    hidden: Option<[(Linear, Dropout); 2]>,
    features: i64,
}

impl Vgg {
    fn new(scope: &Scope, request: &Request, plan: &[i64]) -> Result<Self, ModelError> {
        let plan = if request.stem == Stem::Small { &plan[..plan.len() - 1] } else { plan };
        let mut layers = Vec::new();
        let mut channels = request.input_channels;
        // torchvision numbers convolution, norm, ReLU and pool alike.
        let mut number = 0;
        let trunk = scope.enter("features");
        for &multiple in plan {
            if multiple == 0 {
                layers.push(None);
                number += 1;
                continue;
            }
            let output = multiple * request.width;
            let options = ConvOptions { bias: true, ..ConvOptions::same(3, 1) };
            let init = Some(Init::kaiming_normal_fan_out(options.fan_out(output)));
            let (conv, norm) = (trunk.enter(number), trunk.enter(number + 1));
            layers.push(Some(ConvNorm::new(&conv, &norm, channels, output, ConvOptions { init, ..options })?));
            channels = output;
            number += 3;
        }
        if request.stem == Stem::Small {
            return Ok(Self { layers, hidden: None, features: channels });
        }
        let hidden = |name: &str, input| -> Result<_, ModelError> {
            let scope = scope.enter("classifier").enter(name);
            let (weight, bias) = (Init::Normal { std: 0.01 }, Init::Constant(0.0));
            Ok((Linear::with_init(&scope, input, HIDDEN, weight, bias)?, Dropout::new(&scope, 0.5)))
        };
        Ok(Self { layers, hidden: Some([hidden("0", 49 * channels)?, hidden("3", HIDDEN)?]), features: HIDDEN })
    }
}

impl Backbone for Vgg {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = images.share();
        for layer in &self.layers {
            x = match layer {
                Some(layer) => layer.forward_relu(&x, context)?,
                None => max_pool(&x, 2, 2, 0, context)?,
            };
        }
        let Some(hidden) = &self.hidden else { return global_mean_pool(&x, context) };
        context.keep_feature_map(&x);
        x = adaptive_mean_pool(&x, 7)?.flatten()?;
        for (linear, dropout) in hidden {
            x = dropout.forward(relu(linear.forward(&x, context)?, context)?, context)?;
        }
        Ok(x)
    }
}
