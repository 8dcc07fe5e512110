//! Gradients of deep layers' weights as one matrix product.

use tch::{Kind, Tensor};

use super::super::candidate::{best_time, processor_time};
use super::ones;
use crate::ModelError;
use crate::layers::im2col::{Window, weight_gradient};

/// How many times as fast the product has to be: whole steps gain far less, and choices are not to depend on chance.
pub(super) const CLEARLY: f64 = 1.5;
/// Channels, input and output alike, and pixels a side: the two deepest stages of `ResNet-18` on 28 pixels.
const LAYERS: [(i64, i64); 2] = [(256, 7), (512, 4)];
const IMAGES: i64 = 32;
const REPEATS: usize = 2;

/// How many times as fast one core is by im2col, in bfloat16. Sets libtorch's number of threads to 1.
pub(super) fn advantage() -> Result<f64, ModelError> {
    super::advantage(&LAYERS, |channels, side| {
        let x = ones([IMAGES, channels, side, side])?;
        let gradient = ones([IMAGES, channels, side, side])?;
        let weight = ones([channels, channels, 3, 3])?.f_set_requires_grad(true)?;
        let theirs = best_time(REPEATS, || {
            let y = x.f_conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?;
            let before = processor_time();
            // The loss whose gradient this is: what is more than the layer's own is little beside it.
            let loss = y.f_mul(&gradient)?.f_sum(Kind::Float)?;
            drop(Tensor::f_run_backward(&[loss], &[&weight], false, false)?);
            Ok(processor_time().saturating_sub(before))
        })?;
        let window = Window { kernel: [3, 3], stride: 1, padding: [1, 1] };
        let ours = best_time(REPEATS, || {
            let before = processor_time();
            drop(tch::no_grad(|| weight_gradient(&x, &gradient, window))?);
            Ok(processor_time().saturating_sub(before))
        })?;
        Ok([theirs, ours])
    })
}
