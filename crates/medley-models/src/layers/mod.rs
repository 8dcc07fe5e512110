//! Layers with PyTorch's names, defaults and initialisations.
//!
//! A layer registers its tensors in a [`Scope`](crate::Scope) when it is made and is a plain function of its input
//! afterwards. Weights of products are cast to the dtype of the [`Context`] where they are used; the fp32 masters are what
//! is trained and saved. Where an option gives each task something of its own (normalisation, adapters, embeddings), the
//! layer takes care of it, so that backbones need not know.
//!
//! A layer computes, or writes itself into an ONNX graph, by what its input is, an [`Activation`].

mod attention;
mod batch_norm;
mod batch_norm_kernel;
mod conv;
mod conv_norm;
mod direct;
mod film;
mod halve;
pub(crate) mod im2col;
mod layer_norm;
mod libtorch_conv;
mod linear;
mod noise;
mod own_conv;
#[cfg(test)]
mod passes;
mod pool;
mod slices;
mod space;
pub(crate) mod winograd;

pub use batch_norm::BatchNorm;
pub use conv::{Conv, ConvOptions};
pub use conv_norm::ConvNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use noise::{Dropout, StochasticDepth};
pub use space::{Space, VolumeConvolution};

pub(crate) use attention::attention;
pub(crate) use pool::{adaptive_mean_pool, global_max_pool, global_mean_pool, max_pool, mean_over_space, mean_pool};
pub(crate) use winograd::Transformed;

use tch::Tensor;

use crate::{Activation, Context, ModelError};

/// `max(x, 0)`, in place: for activations that nobody else reads.
pub(crate) fn relu(x: Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    match x {
        Activation::Tensor(x) => Ok(After::Relu.apply(x, context)?.into()),
        Activation::Traced(x) => x.then(medley_onnx::GraphBuilder::relu),
    }
}

/// What follows a normalisation, which may compute it in the same pass.
#[derive(Debug, Clone, Copy)]
pub(crate) enum After<'a> {
    Nothing,
    Relu,
    /// A sum, and `ReLU` of it.
    AddRelu(&'a Tensor),
}

impl<'a> After<'a> {
    fn added(self) -> Option<&'a Tensor> {
        match self {
            Self::AddRelu(added) => Some(added),
            Self::Nothing | Self::Relu => None,
        }
    }

    fn is_rectified(self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// By libtorch, in place: for activations that nobody else reads.
    fn apply(self, mut x: Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        if let Some(added) = self.added() {
            x = x.f_add_(added)?;
        }
        if self.is_rectified() {
            keep(&x, context);
            x = x.f_relu_()?;
        }
        Ok(x)
    }
}

/// The largest value of each 2x2 pixels, then `ReLU`: it sees a quarter of the values, and gives the bits that it would give before.
pub(crate) fn halve(x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    // What is kept of a level is kept before the ReLU.
    let by_kernels = context.levels.is_none() && context.uses_own_kernels();
    if let Activation::Tensor(x) = x
        && by_kernels
        && let Some(y) = halve::halve(x)?
    {
        return Ok(y.into());
    }
    relu(max_pool(x, 2, 2, 0, context)?, context)
}

/// `x sigmoid(x)` (Elfwing et al. 2018).
pub(crate) fn silu(x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    match x {
        Activation::Tensor(x) => {
            keep(x, context);
            Ok(x.f_silu()?.into())
        }
        Activation::Traced(x) => x.then(|graph, x| {
            let gate = graph.sigmoid(x)?;
            graph.mul(x, &gate)
        }),
    }
}

/// `x Phi(x)` (Hendrycks and Gimpel 2016), exact.
pub(crate) fn gelu(x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
    match x {
        Activation::Tensor(x) => {
            keep(x, context);
            Ok(x.f_gelu("none")?.into())
        }
        Activation::Traced(x) => {
            // In the order in which runtimes know it for one operation: x / sqrt(2), erf, + 1, * x, * 0.5.
            let number = |name: &str, value: f32| x.constant(name, &Tensor::from(value));
            let root = number("gelu.sqrt_half", std::f32::consts::FRAC_1_SQRT_2)?;
            let (one, half) = (number("gelu.one", 1.0)?, number("gelu.half", 0.5)?);
            x.then(|graph, x| {
                let scaled = graph.mul(x, &root)?;
                let error = graph.erf(&scaled)?;
                let sum = graph.add(&error, &one)?;
                let product = graph.mul(x, &sum)?;
                graph.mul(&product, &half)
            })
        }
    }
}

/// An activation that the backward pass needs counts as work.
fn keep(x: &Tensor, context: &Context<'_>) {
    if let Some(recorder) = context.recorder {
        recorder.keep(x);
    }
}
