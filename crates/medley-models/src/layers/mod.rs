//! Layers with PyTorch's names, defaults and initialisations.
//!
//! A layer registers its tensors in a [`Scope`](crate::Scope) when it is made and is a plain function of its input
//! afterwards. Weights of products are cast to the dtype of the [`Context`] where they are used; the fp32 masters are what
//! is trained and saved. Where an option gives each task something of its own (normalisation, adapters, embeddings), the
//! layer takes care of it, so that backbones need not know.

mod batch_norm;
mod conv;
mod conv_norm;
mod film;
mod layer_norm;
mod linear;
mod noise;
mod winograd;

pub use batch_norm::BatchNorm;
pub use conv::{Conv, ConvOptions, Space, VolumeConvolution};
pub use conv_norm::ConvNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use noise::{Dropout, StochasticDepth};

use tch::Tensor;

use crate::{Context, ModelError};

/// `max(x, 0)`, in place: for activations that nobody else reads.
pub(crate) fn relu(mut x: Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
    if let Some(recorder) = context.recorder {
        recorder.keep(&x);
    }
    Ok(x.f_relu_()?)
}

/// `x sigmoid(x)` (Elfwing et al. 2018).
pub(crate) fn silu(x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
    if let Some(recorder) = context.recorder {
        recorder.keep(x);
    }
    Ok(x.f_silu()?)
}

/// `x Phi(x)` (Hendrycks and Gimpel 2016), exact.
pub(crate) fn gelu(x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
    if let Some(recorder) = context.recorder {
        recorder.keep(x);
    }
    Ok(x.f_gelu("none")?)
}

/// The largest value of each window, along every spatial axis.
pub(crate) fn max_pool(
    x: &Tensor,
    kernel: i64,
    stride: i64,
    padding: i64,
    context: &Context<'_>,
) -> Result<Tensor, ModelError> {
    let y = if x.dim() == 4 {
        x.f_max_pool2d([kernel; 2], [stride; 2], [padding; 2], [1; 2], false)?
    } else {
        x.f_max_pool3d([kernel; 3], [stride; 3], [padding; 3], [1; 3], false)?
    };
    if let Some(recorder) = context.recorder {
        recorder.window(x, &y, kernel, stride);
        recorder.keep(&y);
    }
    context.keep_level(&y, stride)?;
    Ok(y)
}

/// `[N, C, H, W]` to `[N, C]` by the largest value over space.
pub(crate) fn global_max_pool(x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
    context.keep_feature_map(x);
    let (x, _) = x.f_adaptive_max_pool2d([1, 1])?;
    Ok(x.f_flatten(1, -1)?)
}

/// `[N, C, H, W]` or `[N, C, D, H, W]` to `[N, C]` by the mean over space.
pub(crate) fn global_mean_pool(x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
    context.keep_feature_map(x);
    let space: Vec<i64> = (2..x.dim() as i64).collect();
    Ok(x.f_mean_dim(space.as_slice(), false, None::<tch::Kind>)?)
}
