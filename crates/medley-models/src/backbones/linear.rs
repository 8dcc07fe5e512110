//! No trunk at all: the features are the pixels, and the heads are logistic regressions. The floor that others must beat.

use super::{Backbone, Entry, Request};
use crate::{Activation, Context, ModelError};

pub(super) const ENTRY: Entry = Entry {
    smallest_input: 1,
    fixed_input: true,
    batch_norm: false,
    norms: false,
    adapters: false,
    ..Entry::new("linear", "logistic regression on pixels", |_, request| Ok(Box::new(Linear::new(request))))
};

struct Linear {
    features: i64,
}

impl Linear {
    fn new(request: &Request) -> Self {
        Self { features: request.input_channels * request.input_size * request.input_size }
    }
}

impl Backbone for Linear {
    fn features(&self) -> i64 {
        self.features
    }

    fn forward(&self, images: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        if let Some(recorder) = context.recorder {
            recorder.everything();
        }
        images.flatten()
    }
}
