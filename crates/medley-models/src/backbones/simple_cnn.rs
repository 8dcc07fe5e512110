//! Five 3x3 convolutions of w, 2w, 2w, 4w, 4w channels with `BatchNorm`, two max-pools between them and a global mean: the
//! plain net that beginners and competitors start from.

use super::{Backbone, Entry, Request};
use crate::layers::{ConvNorm, ConvOptions, global_mean_pool, max_pool};
use crate::{Activation, Context, ModelError, Scope};

pub(super) const ENTRY: Entry = Entry {
    width: Some(32),
    smallest_input: 4,
    ..Entry::new("simple_cnn", "five convolutions, two pools", |scope, request| {
        Ok(Box::new(SimpleCnn::new(scope, request)?))
    })
};

struct SimpleCnn {
    layers: Vec<ConvNorm>,
    features: i64,
}

impl SimpleCnn {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let w = request.width;
        let channels = [request.input_channels, w, 2 * w, 2 * w, 4 * w, 4 * w];
        let layers = (1..6)
            .map(|layer| {
                let (conv, bn) = (scope.enter(format_args!("conv{layer}")), scope.enter(format_args!("bn{layer}")));
                ConvNorm::new(&conv, &bn, channels[layer - 1], channels[layer], ConvOptions::same(3, 1))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { layers, features: 4 * w })
    }
}

impl Backbone for SimpleCnn {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        let mut x = images.share();
        for (index, layer) in self.layers.iter().enumerate() {
            x = layer.forward_relu(&x, context)?;
            if matches!(index, 0 | 2) {
                x = max_pool(&x, 2, 2, 0, context)?;
            }
        }
        global_mean_pool(&x, context)
    }
}
