//! Layers with PyTorch's names, defaults and initialisations.
//!
//! A layer registers its tensors in a [`Scope`](crate::Scope) when it is made and is a plain function of its input
//! afterwards. Weights of products are cast to the dtype of the [`Context`](crate::Context) where they are used; the fp32
//! masters are what is trained and saved.

mod batch_norm;
mod conv;
mod linear;

pub use batch_norm::BatchNorm;
pub use conv::{Conv2d, Conv2dOptions};
pub use linear::Linear;

use tch::Tensor;

use crate::ModelError;

/// `max(x, 0)`, in place: for activations that nobody else reads.
pub(crate) fn relu(mut x: Tensor) -> Result<Tensor, ModelError> {
    Ok(x.f_relu_()?)
}

/// `[N, C, H, W]` or `[N, C, D, H, W]` to `[N, C]` by the mean over space.
pub(crate) fn global_mean_pool(x: &Tensor) -> Result<Tensor, ModelError> {
    let space: Vec<i64> = (2..x.dim() as i64).collect();
    Ok(x.f_mean_dim(space.as_slice(), false, None::<tch::Kind>)?)
}
