//! Where the matrix product tells which number format is faster.
//!
//! Trying out a large network takes seconds. Where it consists of dense convolutions, they are products, and what a product gains by
//! bfloat16 they gain, too: a fiftieth of a second shows it.

use medley_core::{MemoryLayout, Precision};
use tch::{Device, Kind, Tensor};

use super::candidate::{best_time, processor_time};
use crate::{ComputePlan, ModelError, environment};

/// Multiplications of a step from which a network counts as large. `ResNet-18` has 50 billion of 32 images, `ResNet-9` of width 16 three.
const LARGE: u64 = 10_000_000_000;
/// How many times as fast a product in bfloat16 has to be: Winograd's algorithm saves fp32 more of its multiplications. Where the format is
/// emulated, or slow, it is below 1.
const CLEARLY: f64 = 1.6;
/// Rows and columns: products of this size run at the speed of larger ones.
const SIDE: i64 = 512;
const REPEATS: usize = 5;

/// Whether bfloat16, with channels last, needs no trial: it comes first among the plans, the network is large and of dense convolutions, and
/// a product gains clearly by it.
pub(super) fn decides(
    plans: &[ComputePlan],
    is_dense: bool,
    multiplications: u64,
    advantage: impl FnOnce() -> Result<f64, ModelError>,
) -> Result<bool, ModelError> {
    let Some(first) = plans.first().filter(|_| plans.len() > 1 && is_dense && multiplications >= LARGE) else {
        return Ok(false);
    };
    let is_usual = first.precision == Precision::Bf16
        && first.memory_layout == MemoryLayout::ChannelsLast
        && first.device == Device::Cpu;
    Ok(is_usual && advantage()? >= CLEARLY)
}

/// How many times as fast one core multiplies matrices in bfloat16 as in fp32. Sets libtorch's number of threads to 1.
pub(super) fn advantage() -> Result<f64, ModelError> {
    environment::set_threads(1);
    let seconds = |kind: Kind| -> Result<f64, ModelError> {
        let matrix = Tensor::f_ones([SIDE, SIDE], (kind, Device::Cpu))?;
        let best = best_time(REPEATS, || {
            let before = processor_time();
            drop(matrix.f_matmul(&matrix)?);
            Ok(processor_time().saturating_sub(before))
        })?;
        Ok(best.as_secs_f64().max(1e-9))
    };
    Ok(seconds(Kind::Float)? / seconds(Kind::BFloat16)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(precision: Precision, memory_layout: MemoryLayout) -> ComputePlan {
        ComputePlan { precision, memory_layout, ..ComputePlan::default() }
    }

    #[test]
    fn a_clear_gain_of_the_product_decides_for_large_dense_networks() {
        let bf16 = plan(Precision::Bf16, MemoryLayout::ChannelsLast);
        let fp32 = plan(Precision::Fp32, MemoryLayout::ChannelsLast);
        let both = [bf16, fp32];
        let decides = |plans: &[ComputePlan], is_dense, work, advantage| {
            super::decides(plans, is_dense, work, || Ok(advantage)).unwrap()
        };
        assert!(decides(&both, true, LARGE, 2.0));
        assert!(!decides(&both, true, LARGE, 1.5), "too near");
        assert!(!decides(&both, false, LARGE, 2.0), "depthwise convolutions are no products");
        assert!(!decides(&both, true, LARGE - 1, 2.0), "a trial takes no time");
        assert!(!decides(&[bf16], true, LARGE, 2.0), "nothing is open");
        assert!(!decides(&[fp32, bf16], true, LARGE, 2.0));
        assert!(!decides(&[plan(Precision::Bf16, MemoryLayout::Contiguous), fp32], true, LARGE, 2.0));
        let unasked = super::decides(&both, true, 0, || panic!("a product is not measured for nothing"));
        assert!(!unasked.unwrap());
    }

    #[test]
    fn the_product_is_measured() {
        let before = environment::threads();
        let advantage = advantage().unwrap();
        environment::set_threads(before);
        assert!(advantage.is_finite() && advantage > 0.0, "{advantage}");
    }
}
