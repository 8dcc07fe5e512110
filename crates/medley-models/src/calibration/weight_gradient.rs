//! Whether the gradients of deep layers' weights are computed faster as one matrix product.

use std::time::Duration;

use medley_core::{MemoryLayout, Precision};
use tch::{Device, Kind, Tensor};

use super::ComputeChoices;
use super::candidate::{best_time, processor_time};
use crate::layers::im2col::{Window, weight_gradient};
use crate::scope::in_layout;
use crate::{ModelError, environment};

/// Multiplications of a step from which it is worth measuring: smaller networks have few layers of that kind.
const LEAST: u64 = 2_000_000_000;
/// How many times as fast the product has to be: whole steps gain far less, and choices are not to depend on chance.
const CLEARLY: f64 = 1.5;
/// Channels, input and output alike, and pixels a side: the two deepest stages of `ResNet-18` on 28 pixels.
const LAYERS: [(i64, i64); 2] = [(256, 7), (512, 4)];
const IMAGES: i64 = 32;
const REPEATS: usize = 2;

/// Whether im2col needs no trial: the network, whose dense convolutions are so many multiplications, may be computed in bfloat16, and two
/// layers of that kind gain clearly by it.
pub(super) fn decides(
    choices: &ComputeChoices,
    is_dense: bool,
    multiplications: u64,
    advantage: impl FnOnce() -> Result<f64, ModelError>,
) -> Result<bool, ModelError> {
    let is_bf16 = match choices.precision {
        Some(fixed) => fixed == Precision::Bf16,
        None => environment::fast_bf16(choices.device),
    };
    let is_possible = choices.device == Device::Cpu
        && is_bf16
        && choices.convolutions.is_none()
        && choices.memory_layout != Some(MemoryLayout::Contiguous);
    Ok(is_possible && is_dense && multiplications >= LEAST && advantage()? >= CLEARLY)
}

/// How many times as fast one core is by im2col, in bfloat16. Sets libtorch's number of threads to 1.
pub(super) fn advantage() -> Result<f64, ModelError> {
    environment::set_threads(1);
    let (mut theirs, mut ours) = (Duration::ZERO, Duration::ZERO);
    for (channels, side) in LAYERS {
        let ones = |shape: [i64; 4]| in_layout(&Tensor::f_ones(shape, KIND)?, MemoryLayout::ChannelsLast);
        let x = ones([IMAGES, channels, side, side])?;
        let gradient = ones([IMAGES, channels, side, side])?;
        let weight = ones([channels, channels, 3, 3])?.f_set_requires_grad(true)?;
        theirs += best_time(REPEATS, || {
            let y = x.f_conv2d(&weight, None::<Tensor>, [1, 1], [1, 1], [1, 1], 1)?;
            let before = processor_time();
            // The loss whose gradient this is: what is more than the layer's own is little beside it.
            let loss = y.f_mul(&gradient)?.f_sum(Kind::Float)?;
            drop(Tensor::f_run_backward(&[loss], &[&weight], false, false)?);
            Ok(processor_time().saturating_sub(before))
        })?;
        let window = Window { kernel: [3, 3], stride: 1, padding: [1, 1] };
        ours += best_time(REPEATS, || {
            let before = processor_time();
            drop(tch::no_grad(|| weight_gradient(&x, &gradient, window))?);
            Ok(processor_time().saturating_sub(before))
        })?;
    }
    Ok(theirs.as_secs_f64() / ours.as_secs_f64().max(1e-9))
}

const KIND: (Kind, Device) = (Kind::BFloat16, Device::Cpu);

#[cfg(test)]
mod tests {
    use super::*;
    use medley_core::Convolutions;

    #[test]
    fn a_clear_gain_decides_where_it_can_be_used() {
        let open = ComputeChoices { precision: Some(Precision::Bf16), ..ComputeChoices::open(Device::Cpu, 2) };
        let decides = |choices: &ComputeChoices, is_dense, work, advantage| {
            super::decides(choices, is_dense, work, || Ok(advantage)).unwrap()
        };
        assert!(decides(&open, true, LEAST, 1.5));
        assert!(!decides(&open, true, LEAST, 1.1), "too near");
        assert!(!decides(&open, false, LEAST, 1.5));
        for choices in [
            ComputeChoices { precision: Some(Precision::Fp32), ..open },
            ComputeChoices { memory_layout: Some(MemoryLayout::Contiguous), ..open },
            ComputeChoices { convolutions: Some(Convolutions::Libtorch), ..open },
            ComputeChoices { device: Device::Cuda(0), ..open },
        ] {
            let unasked = super::decides(&choices, true, LEAST, || panic!("nothing is measured for nothing"));
            assert!(!unasked.unwrap(), "{choices:?}");
        }
        assert!(!super::decides(&open, true, LEAST - 1, || panic!("nothing is measured for nothing")).unwrap());
    }

    #[test]
    fn both_ways_are_measured() {
        let before = environment::threads();
        let advantage = advantage().unwrap();
        environment::set_threads(before);
        assert!(advantage.is_finite() && advantage > 0.0, "{advantage}");
    }
}
