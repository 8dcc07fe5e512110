//! Which kernels compute the convolutions of a candidate.
//!
//! Those of a large network take long to try. Two or three of its layers tell as much: where one set of kernels is clearly the fastest for
//! them, the others are not tried.

mod im2col;
mod winograd;

use std::time::Duration;

use medley_core::{Convolutions, MemoryLayout, Precision};
use tch::{Device, Kind, Tensor};

use super::{ComputeChoices, Outline};
use crate::scope::in_layout;
use crate::{ModelError, environment};

/// Multiplications of a step from which layers are measured alone; a smaller network is tried as a whole.
const LARGE: u64 = 2_000_000_000;

/// Kernels that are worth a trial, in the order in which they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kernels {
    fp32: Vec<Convolutions>,
    bf16: Vec<Convolutions>,
}

/// What is known of this processor in bfloat16, and how it is found out.
struct Facts<W, I> {
    /// Whether Winograd's kernels have instructions for it.
    has_pairs: bool,
    /// How many times as fast as libtorch's kernels one core is by Winograd's algorithm.
    winograd: W,
    /// The same by im2col.
    im2col: I,
}

impl Kernels {
    /// Measured on layers, where that is to be done. Sets libtorch's number of threads to 1.
    ///
    /// # Errors
    /// What libtorch says of a convolution.
    pub(super) fn measured(choices: &ComputeChoices, outline: Outline) -> Result<Self, ModelError> {
        let has_pairs = medley_kernels::is_bf16_fast_here();
        Self::new(choices, outline, Facts { has_pairs, winograd: winograd::advantage, im2col: im2col::advantage })
    }

    fn new<W, I>(choices: &ComputeChoices, outline: Outline, facts: Facts<W, I>) -> Result<Self, ModelError>
    where
        W: FnOnce() -> Result<f64, ModelError>,
        I: FnOnce() -> Result<f64, ModelError>,
    {
        let both = || vec![Convolutions::Winograd, Convolutions::Libtorch];
        let libtorch = || vec![Convolutions::Libtorch];
        let fp32 = if outline.is_dense && medley_kernels::is_fast_here() { both() } else { libtorch() };
        let bf16 = if !(outline.is_dense || outline.has_volumes) || !may_be_bf16(choices) {
            libtorch()
        } else if outline.multiplications < LARGE || !outline.is_dense {
            // The layers that are measured alone say nothing of volumes.
            if facts.has_pairs { both() } else { libtorch() }
        } else if facts.has_pairs && (facts.winograd)()? >= winograd::CLEARLY {
            vec![Convolutions::Winograd]
        } else if (facts.im2col)()? >= im2col::CLEARLY {
            vec![Convolutions::Im2col]
        } else {
            libtorch()
        };
        Ok(Self { fp32, bf16 })
    }

    /// Those for a candidate. Where none of them is possible, its plan will be refused with a reason.
    pub(super) fn worth(
        &self,
        fixed: Option<Convolutions>,
        precision: Precision,
        layout: MemoryLayout,
    ) -> Vec<Convolutions> {
        match (fixed, precision, layout) {
            (Some(fixed), ..) => vec![fixed],
            (None, _, MemoryLayout::Contiguous) => vec![Convolutions::Libtorch],
            (None, Precision::Fp32, MemoryLayout::ChannelsLast) => self.fp32.clone(),
            (None, Precision::Bf16, MemoryLayout::ChannelsLast) => self.bf16.clone(),
        }
    }
}

/// How many times as fast `times` says that ours are, [libtorch's time, ours] for each layer of so many channels and pixels a side. Sets
/// libtorch's number of threads to 1.
fn advantage(
    layers: &[(i64, i64)],
    times: impl Fn(i64, i64) -> Result<[Duration; 2], ModelError>,
) -> Result<f64, ModelError> {
    environment::set_threads(1);
    let mut sums = [Duration::ZERO; 2];
    for &(channels, side) in layers {
        for (sum, time) in sums.iter_mut().zip(times(channels, side)?) {
            *sum += time;
        }
    }
    let [theirs, ours] = sums.map(|sum| sum.as_secs_f64());
    Ok(theirs / ours.max(1e-9))
}

/// In bfloat16, with channels last.
fn ones(shape: [i64; 4]) -> Result<Tensor, ModelError> {
    Ok(in_layout(&Tensor::f_ones(shape, (Kind::BFloat16, Device::Cpu))?, MemoryLayout::ChannelsLast)?)
}

/// Whether kernels of our own may compute in bfloat16 there.
fn may_be_bf16(choices: &ComputeChoices) -> bool {
    let is_bf16 = match choices.precision {
        Some(fixed) => fixed == Precision::Bf16,
        None => environment::fast_bf16(choices.device),
    };
    let is_possible = choices.device == Device::Cpu && choices.memory_layout != Some(MemoryLayout::Contiguous);
    is_bf16 && is_possible && choices.convolutions.is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use Convolutions::{Im2col, Libtorch, Winograd};

    const BF16: ComputeChoices =
        ComputeChoices { precision: Some(Precision::Bf16), ..ComputeChoices::open(Device::Cpu, 2) };

    fn of_large(is_dense: bool, has_pairs: bool, measured: [f64; 2]) -> Vec<Convolutions> {
        let [winograd, im2col] = measured.map(|advantage| move || Ok(advantage));
        let outline = Outline { is_dense, has_volumes: false, multiplications: LARGE };
        Kernels::new(&BF16, outline, Facts { has_pairs, winograd, im2col }).unwrap().bf16
    }

    #[test]
    fn a_clear_gain_on_layers_decides_for_a_large_network() {
        assert_eq!(of_large(true, true, [1.5, 1.0]), [Winograd]);
        assert_eq!(of_large(true, false, [1.5, 1.0]), [Libtorch], "emulated");
        assert_eq!(of_large(true, true, [1.0, 2.0]), [Im2col]);
        assert_eq!(of_large(true, true, [1.05, 1.3]), [Libtorch], "too near");
        assert_eq!(of_large(false, true, [2.0, 2.0]), [Libtorch], "no layer is dense");
    }

    #[test]
    fn nothing_is_measured_for_nothing() {
        let unasked = |choices: &ComputeChoices, multiplications: u64, has_pairs: bool| {
            let never = || -> Result<f64, ModelError> { panic!("measured") };
            let outline = Outline { is_dense: true, has_volumes: false, multiplications };
            Kernels::new(choices, outline, Facts { has_pairs, winograd: never, im2col: never }).unwrap().bf16
        };
        assert_eq!(unasked(&BF16, LARGE - 1, true), [Winograd, Libtorch]);
        assert_eq!(unasked(&BF16, LARGE - 1, false), [Libtorch]);
        for choices in [
            ComputeChoices { precision: Some(Precision::Fp32), ..BF16 },
            ComputeChoices { memory_layout: Some(MemoryLayout::Contiguous), ..BF16 },
            ComputeChoices { convolutions: Some(Libtorch), ..BF16 },
            ComputeChoices { device: Device::Cuda(0), ..BF16 },
        ] {
            assert_eq!(unasked(&choices, LARGE, true), [Libtorch]);
        }
    }

    #[test]
    fn networks_of_volumes_are_tried_as_a_whole() {
        let of = |has_pairs: bool| {
            let never = || -> Result<f64, ModelError> { panic!("measured") };
            let outline = Outline { is_dense: false, has_volumes: true, multiplications: LARGE };
            let kernels = Kernels::new(&BF16, outline, Facts { has_pairs, winograd: never, im2col: never }).unwrap();
            (kernels.fp32, kernels.bf16)
        };
        assert_eq!(of(true), (vec![Libtorch], vec![Winograd, Libtorch]));
        assert_eq!(of(false), (vec![Libtorch], vec![Libtorch]));
    }

    #[test]
    fn kernels_are_for_their_number_format_and_layout() {
        let kernels = Kernels { fp32: vec![Winograd, Libtorch], bf16: vec![Im2col] };
        let (last, contiguous) = (MemoryLayout::ChannelsLast, MemoryLayout::Contiguous);
        assert_eq!(kernels.worth(None, Precision::Bf16, last), [Im2col]);
        assert_eq!(kernels.worth(None, Precision::Fp32, last), [Winograd, Libtorch]);
        assert_eq!(kernels.worth(None, Precision::Bf16, contiguous), [Libtorch]);
        assert_eq!(kernels.worth(Some(Winograd), Precision::Fp32, contiguous), [Winograd]);
    }

    #[test]
    fn all_kernels_are_measured() {
        let before = environment::threads();
        let advantages = [winograd::advantage().unwrap(), im2col::advantage().unwrap()];
        environment::set_threads(before);
        assert!(advantages.iter().all(|advantage| advantage.is_finite() && *advantage > 0.0), "{advantages:?}");
    }
}
