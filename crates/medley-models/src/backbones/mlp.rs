//! Two hidden layers on the pixels, with `ReLU`: what can be learnt without knowing that pixels have neighbours.

use super::{Backbone, Entry, Request};
use crate::layers::{Linear, relu};
use crate::{Activation, Context, ModelError, Scope};

pub(super) const ENTRY: Entry = Entry {
    width: Some(512),
    smallest_input: 1,
    fixed_input: true,
    batch_norm: false,
    norms: false,
    adapters: false,
    ..Entry::new("mlp", "two hidden layers on pixels", |scope, request| Ok(Box::new(Mlp::new(scope, request)?)))
};

struct Mlp {
    fc1: Linear,
    fc2: Linear,
    features: i64,
}

impl Mlp {
    fn new(scope: &Scope, request: &Request) -> Result<Self, ModelError> {
        let pixels = request.input_channels * request.input_size * request.input_size;
        Ok(Self {
            fc1: Linear::new(&scope.enter("fc1"), pixels, request.width)?,
            fc2: Linear::new(&scope.enter("fc2"), request.width, request.width)?,
            features: request.width,
        })
    }
}

impl Backbone for Mlp {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        if let Some(recorder) = context.recorder {
            recorder.everything();
        }
        let x = relu(self.fc1.forward(&images.flatten()?, context)?, context)?;
        relu(self.fc2.forward(&x, context)?, context)
    }
}
