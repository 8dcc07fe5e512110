//! Winograd's algorithm, forward and backward.

use std::time::Duration;

use tch::{Kind, Tensor};

use super::super::candidate::{best_time, processor_time};
use super::ones;
use crate::ModelError;
use crate::layers::winograd::convolve;

/// How many times as fast it has to be: choices are not to depend on chance.
pub(super) const CLEARLY: f64 = 1.15;
/// Channels, input and output alike, and pixels a side: a large and a small image of `ResNet-18` on 28 pixels.
const LAYERS: [(i64, i64); 2] = [(64, 28), (256, 7)];
const IMAGES: i64 = 16;
const REPEATS: usize = 2;

/// How many times as fast one core is by it, in bfloat16. Sets libtorch's number of threads to 1.
pub(super) fn advantage() -> Result<f64, ModelError> {
    super::advantage(&LAYERS, |channels, side| {
        let x = ones([IMAGES, channels, side, side])?.f_set_requires_grad(true)?;
        let weight = ones([channels, channels, 3, 3])?.f_to_kind(Kind::Float)?.f_set_requires_grad(true)?;
        let theirs = best_time(REPEATS, || {
            timed(&x, &weight, || {
                let weight = weight.f_to_kind(Kind::BFloat16)?;
                Ok(x.f_conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?)
            })
        })?;
        let ours = best_time(REPEATS, || timed(&x, &weight, || convolve(&x, &weight, None)))?;
        Ok([theirs, ours])
    })
}

/// What a convolution takes with its gradients.
fn timed(
    x: &Tensor,
    weight: &Tensor,
    convolve: impl FnOnce() -> Result<Tensor, ModelError>,
) -> Result<Duration, ModelError> {
    let before = processor_time();
    let loss = convolve()?.f_sum(Kind::Float)?;
    drop(Tensor::f_run_backward(&[loss], &[x, weight], false, false)?);
    Ok(processor_time().saturating_sub(before))
}
