//! Winograd's algorithm, forward and backward.

use std::time::Duration;

use tch::{Device, Kind, Tensor};

use super::super::candidate::{best_time, processor_time};
use crate::layers::winograd::convolve;
use crate::scope::in_layout;
use crate::{MemoryLayout, ModelError, environment};

/// How many times as fast it has to be: choices are not to depend on chance.
pub(super) const CLEARLY: f64 = 1.15;
/// Channels, input and output alike, and pixels a side: a large and a small image of `ResNet-18` on 28 pixels.
const LAYERS: [(i64, i64); 2] = [(64, 28), (256, 7)];
const IMAGES: i64 = 16;
const REPEATS: usize = 2;
const KIND: (Kind, Device) = (Kind::BFloat16, Device::Cpu);

/// How many times as fast one core is by it, in bfloat16. Sets libtorch's number of threads to 1.
pub(super) fn advantage() -> Result<f64, ModelError> {
    environment::set_threads(1);
    let (mut theirs, mut ours) = (Duration::ZERO, Duration::ZERO);
    for (channels, side) in LAYERS {
        let ones = |shape: [i64; 4]| in_layout(&Tensor::f_ones(shape, KIND)?, MemoryLayout::ChannelsLast);
        let x = ones([IMAGES, channels, side, side])?.f_set_requires_grad(true)?;
        let weight = ones([channels, channels, 3, 3])?.f_to_kind(Kind::Float)?.f_set_requires_grad(true)?;
        theirs += best_time(REPEATS, || {
            timed(&x, &weight, || {
                Ok(x.f_conv2d(&weight.f_to_kind(KIND.0)?, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?)
            })
        })?;
        ours += best_time(REPEATS, || timed(&x, &weight, || convolve(&x, &weight, None)))?;
    }
    Ok(theirs.as_secs_f64() / ours.as_secs_f64().max(1e-9))
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
