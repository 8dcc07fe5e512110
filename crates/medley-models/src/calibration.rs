//! Choosing a compute plan by trying candidates.
//!
//! Which number format, memory layout and use of the cores is fastest depends on the processor and on the network:
//! bfloat16 is slower than fp32 where it is emulated, and replicas beat threads only while operations are short. A few steps
//! of each candidate on a small batch decide.
//!
//! Other programs disturb a clock, so no candidate has a stretch of time of its own: all take turns, a step each, and each is
//! judged by its best step. Number formats and layouts, which use the cores alike, are compared by the processor time of the
//! process, of which other programs take nothing; threads and replicas, which use the cores differently, by the time that passes.
//! The first candidate is the one that usually wins, and a later one is taken only when it is clearly faster; of a
//! network so large that there is no time for all of them, the first take part. Where matrices are multiplied far faster in bfloat16, a large
//! network of dense convolutions is computed in it without a trial. Which kernels compute its convolutions there, a few layers alone
//! tell. The rounds end when the order is settled. The clock decides all the same: the choice belongs into the manifest of a run, and a run
//! that must be repeated to the bit fixes it.

mod candidate;
mod kernels;
mod product;
mod turns;

use std::time::Duration;

use medley_core::record::CalibrationTrial;
use medley_core::{Convolutions, MemoryLayout, Precision, TaskSpec};
use serde::Serialize;
use tch::Device;

use self::candidate::Candidate;
use self::kernels::Kernels;
use self::turns::{Clock, take_turns};
use crate::{BuildOptions, ComputePlan, ModelError, MultiTaskNet, OwnKernels, ValidatedNet, device, environment};

/// What a config fixes of a [`ComputePlan`]; `None` is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ComputeChoices {
    /// Where to compute.
    #[serde(with = "device")]
    pub device: Device,
    /// Cores that may be used.
    pub cores: usize,
    /// Number format.
    pub precision: Option<Precision>,
    /// Order in memory.
    pub memory_layout: Option<MemoryLayout>,
    /// What computes convolutions.
    pub convolutions: Option<Convolutions>,
    /// Replicas; tried are 1 and the number of cores.
    pub replicas: Option<usize>,
}

impl ComputeChoices {
    /// Everything that can be is to be tried.
    pub const fn open(device: Device, cores: usize) -> Self {
        Self { device, cores, precision: None, memory_layout: None, convolutions: None, replicas: None }
    }
}

/// The training to come.
#[derive(Debug, Clone, Copy)]
pub struct Workload<'a> {
    /// The network.
    pub net: &'a ValidatedNet,
    /// Its tasks.
    pub tasks: &'a [TaskSpec],
    /// Channels of the input.
    pub input_channels: i64,
    /// Height and width (and depth) of the input in pixels.
    pub input_size: i64,
    /// Images per step.
    pub batch_size: usize,
}

/// One candidate and how fast it was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measurement {
    /// The candidate.
    pub plan: ComputePlan,
    /// Images trained on per second of time that passed, in the fastest of its steps.
    pub images_per_second: f64,
    /// Images trained on per second of processor time, in the cheapest of its steps; as `images_per_second` on a GPU.
    pub images_per_cpu_second: f64,
}

/// All that was tried, and what is best.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    /// The fastest candidate; the first tried of those that are nearly as fast.
    pub plan: ComputePlan,
    /// In the order of trying; empty where nothing was left to choose.
    pub measured: Vec<Measurement>,
}

impl Calibration {
    /// What was tried, for the manifest of a run.
    pub fn trials(&self) -> Vec<CalibrationTrial> {
        let tenths = |speed: f64| (speed * 10.0).round() / 10.0;
        let trial = |&Measurement { plan, images_per_second, images_per_cpu_second }: &Measurement| CalibrationTrial {
            precision: plan.precision,
            memory_layout: plan.memory_layout,
            convolutions: plan.convolutions,
            threads: plan.threads,
            replicas: plan.replicas,
            // Digits beyond the noise say nothing.
            images_per_second: tenths(images_per_second),
            images_per_cpu_second: Some(tenths(images_per_cpu_second)),
        };
        self.measured.iter().map(trial).collect()
    }
}

/// Each replica normalises by the statistics of its own rows; from few rows they are rough, and accuracy suffers (Wu and He,
/// *Group Normalization*, 2018), so that such replicas are for those who ask for them.
const ROWS_PER_REPLICA: usize = 32;

/// Trains a copy of the network by every candidate, in turn: first every number format and layout with all cores inside one
/// operation, then the best of them and the same in one replica per core. Replicas are left out where each would see fewer than 32
/// rows, or where tasks have their own `BatchNorm` statistics. If only one candidate is left, nothing is measured. Libtorch's number
/// of threads is left as it was.
///
/// `budget` is the time for all candidates together. A large network may take longer: two candidates are always tried, with a step or
/// more each, most of them after one to warm up. Later ones are left out when half of the time is over before they come.
///
/// # Errors
/// As [`MultiTaskNet::build`] and [`MultiTaskNet::forward`].
pub fn calibrate(
    workload: &Workload<'_>,
    choices: &ComputeChoices,
    budget: Duration,
) -> Result<Calibration, ModelError> {
    let before = environment::threads();
    let result = try_all(workload, choices, budget);
    environment::set_threads(before);
    result
}

fn try_all(workload: &Workload<'_>, choices: &ComputeChoices, budget: Duration) -> Result<Calibration, ModelError> {
    let outline = Outline::of(workload, choices)?;
    let Outline { is_dense, multiplications, .. } = outline;
    let possible = candidates(choices, &Kernels::measured(choices, outline)?);
    let by_product = product::decides(&possible, is_dense, multiplications, product::advantage)?;
    let plans = if by_product { &possible[..1] } else { &possible[..] };
    let with_replicas = tries_replicas(workload, choices);
    if plans.len() == 1 && !with_replicas {
        let mut measured = Vec::new();
        if by_product {
            // A choice that is kept names what was tried.
            let mut only = Candidate::new(workload, plans[0])?;
            only.step()?;
            measured.push(only.measured());
        }
        return Ok(Calibration { plan: plans[0], measured });
    }
    // A third of the time for two candidates, whatever the others took.
    let (for_plans, for_replicas) = if with_replicas { (budget * 2 / 3, budget / 3) } else { (budget, budget) };
    let mut best = plans[0];
    let mut measured = Vec::new();
    if plans.len() > 1 {
        let (winner, all) = take_turns(workload, plans, Clock::Processor, for_plans)?;
        best = all[winner].plan;
        measured = all;
    }
    if with_replicas {
        let plans = [best, ComputePlan { threads: 1, replicas: choices.cores, ..best }];
        let (winner, both) = take_turns(workload, &plans, Clock::Passing, for_replicas)?;
        best = both[winner].plan;
        // The first of them has been measured before, unless it was the only one.
        measured.extend(&both[usize::from(!measured.is_empty())..]);
    }
    Ok(Calibration { plan: best, measured })
}

/// What can be known of a network without computing it.
#[derive(Debug, Clone, Copy)]
struct Outline {
    /// Whether it has convolutions that Winograd's algorithm can compute on a CPU, as networks have that consist of dense ones.
    is_dense: bool,
    /// Whether it has convolutions of volumes that kernels of our own can compute.
    has_volumes: bool,
    /// In a step of the calibration: forward, and for the gradients of input and weight.
    multiplications: u64,
}

impl Outline {
    fn of(workload: &Workload<'_>, choices: &ComputeChoices) -> Result<Self, ModelError> {
        if choices.device != Device::Cpu {
            return Ok(Self { is_dense: false, has_volumes: false, multiplications: 0 });
        }
        let Workload { net, tasks, input_channels, input_size, batch_size } = *workload;
        let options = BuildOptions { input_channels, input_size, ..BuildOptions::default() };
        let net = MultiTaskNet::outline(net, tasks, &options)?;
        let rows = candidate::rows(batch_size, choices.cores) as u64;
        let OwnKernels { winograd, volumes } = net.own_kernels();
        let multiplications = 3 * rows * net.work()?.macs;
        Ok(Self { is_dense: winograd > 0, has_volumes: volumes > 0, multiplications })
    }
}

/// Every number format, layout and set of kernels that is not fixed, in the order in which they are worth a trial; at least one.
fn candidates(choices: &ComputeChoices, kernels: &Kernels) -> Vec<ComputePlan> {
    let precisions = match choices.precision {
        Some(fixed) => vec![fixed],
        // Where bfloat16 is emulated there is nothing to find out.
        None if environment::fast_bf16(choices.device) => vec![Precision::Bf16, Precision::Fp32],
        None => vec![Precision::Fp32],
    };
    let layouts = match choices.memory_layout {
        Some(fixed) => vec![fixed],
        None => vec![MemoryLayout::ChannelsLast, MemoryLayout::Contiguous],
    };
    let replicas = choices.replicas.unwrap_or(1);
    let threads = if replicas > 1 || choices.device != Device::Cpu { 1 } else { choices.cores.max(1) };
    let mut plans = Vec::new();
    // Layouts come last: some processors that report bfloat16 are slow in it, and a large network has time for two candidates.
    for memory_layout in layouts {
        let worth = |precision| kernels.worth(choices.convolutions, precision, memory_layout);
        let of_precisions: Vec<_> = precisions.iter().map(|&precision| (precision, worth(precision))).collect();
        let most = of_precisions.iter().map(|(_, kernels)| kernels.len()).max().unwrap_or(0);
        // The first kernels of each format before the second ones of any.
        for place in 0..most {
            for (precision, kernels) in &of_precisions {
                let plan = |&convolutions: &Convolutions| ComputePlan {
                    device: choices.device,
                    precision: *precision,
                    memory_layout,
                    convolutions,
                    threads,
                    replicas,
                };
                plans.extend(kernels.get(place).map(plan));
            }
        }
    }
    // Where nothing is possible, the first stands for what was asked for: the network refuses it with a reason.
    let asked = plans[0];
    plans.retain(|plan| plan.check().is_ok());
    if plans.is_empty() {
        plans.push(asked);
    }
    plans
}

fn tries_replicas(workload: &Workload<'_>, choices: &ComputeChoices) -> bool {
    choices.device == Device::Cpu
        && choices.cores > 1
        && choices.replicas.is_none()
        && workload.batch_size >= choices.cores * ROWS_PER_REPLICA
        && !workload.net.config().batch_norm.own_statistics()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::task;
    use crate::{BackboneConfig, NetConfig};

    const OPEN: ComputeChoices = ComputeChoices::open(Device::Cpu, 2);

    fn run(choices: ComputeChoices, batch_size: usize) -> Calibration {
        let net = NetConfig { backbone: BackboneConfig::with_width("resnet9", 4), ..NetConfig::default() };
        let (net, tasks) = (net.validated().unwrap(), [task("a", 2), task("b", 3), task("c", 4)]);
        let workload = Workload { net: &net, tasks: &tasks, input_channels: 3, input_size: 28, batch_size };
        calibrate(&workload, &choices, Duration::from_millis(200)).unwrap()
    }

    #[test]
    fn what_was_measured_decides() {
        let before = environment::threads();
        let calibration = run(OPEN, 64);
        assert_eq!(environment::threads(), before);
        let measured = &calibration.measured;
        assert!(measured.iter().all(|one| one.images_per_second.is_finite() && one.images_per_cpu_second.is_finite()));
        let chosen = ComputePlan { threads: 2, replicas: 1, ..calibration.plan };
        let mine = measured.iter().find(|one| one.plan == chosen).unwrap();
        let alone = measured[..measured.len() - 1].iter().map(|one| one.images_per_cpu_second);
        // The wider margin is that of a machine so busy that warming up takes all the time.
        assert!(alone.fold(0.0, f64::max) <= 1.5 * mine.images_per_cpu_second);
        let first = calibration.measured[0].plan;
        assert_eq!((first.memory_layout, first.threads, first.replicas), (MemoryLayout::ChannelsLast, 2, 1));
        let last = calibration.measured.last().unwrap().plan;
        assert_eq!((last.threads, last.replicas), (1, 2));
        let trials = calibration.trials();
        assert_eq!(trials.len(), calibration.measured.len());
        assert!((trials[0].images_per_second - calibration.measured[0].images_per_second).abs() <= 0.05);
    }

    #[test]
    fn what_is_fixed_is_not_tried() {
        let fixed = ComputeChoices {
            precision: Some(Precision::Fp32),
            memory_layout: Some(MemoryLayout::Contiguous),
            convolutions: Some(Convolutions::Libtorch),
            replicas: Some(2),
            ..OPEN
        };
        let calibration = run(fixed, 64);
        assert!(calibration.measured.is_empty());
        let (precision, memory_layout) = (Precision::Fp32, MemoryLayout::Contiguous);
        let plan = ComputePlan { precision, memory_layout, replicas: 2, ..ComputePlan::default() };
        assert_eq!(calibration.plan, plan);
        assert_eq!(run(ComputeChoices { replicas: Some(1), cores: 1, ..fixed }, 64).plan.threads, 1);
        let layouts = run(ComputeChoices { memory_layout: None, replicas: Some(1), ..fixed }, 64);
        assert!(layouts.measured.iter().all(|measured| measured.plan.precision == Precision::Fp32));
        assert_eq!(layouts.measured.len(), 2);
    }

    /// The candidates for a backbone, as (memory layout, convolutions).
    fn kernels_tried(backbone: &str, width: usize, choices: ComputeChoices) -> Vec<(MemoryLayout, Convolutions)> {
        let net = NetConfig { backbone: BackboneConfig::with_width(backbone, width), ..NetConfig::default() };
        let (net, tasks) = (net.validated().unwrap(), [task("a", 2)]);
        let workload = Workload { net: &net, tasks: &tasks, input_channels: 3, input_size: 28, batch_size: 32 };
        let before = environment::threads();
        let kernels = Kernels::measured(&choices, Outline::of(&workload, &choices).unwrap()).unwrap();
        environment::set_threads(before);
        candidates(&choices, &kernels).iter().map(|plan| (plan.memory_layout, plan.convolutions)).collect()
    }

    #[test]
    fn winograd_is_tried_where_it_can_compute_something() {
        use Convolutions::{Libtorch, Winograd};
        use MemoryLayout::{ChannelsLast, Contiguous};
        let without = [(ChannelsLast, Libtorch), (Contiguous, Libtorch)];
        let with = [(ChannelsLast, Winograd), (ChannelsLast, Libtorch), (Contiguous, Libtorch)];
        let expected = |is_fast: bool| if is_fast { with.to_vec() } else { without.to_vec() };
        for (precision, is_fast) in
            [(Precision::Fp32, medley_kernels::is_fast_here()), (Precision::Bf16, medley_kernels::is_bf16_fast_here())]
        {
            let open = ComputeChoices { precision: Some(precision), ..OPEN };
            assert_eq!(kernels_tried("resnet9", 8, open), expected(is_fast));
            assert_eq!(kernels_tried("resnet9", 1, open), without);
            let fixed = ComputeChoices { convolutions: Some(Winograd), ..open };
            assert_eq!(kernels_tried("resnet9", 16, fixed), [(ChannelsLast, Winograd)]);
            let impossible = ComputeChoices { memory_layout: Some(Contiguous), ..fixed };
            assert_eq!(kernels_tried("resnet9", 16, impossible), [(Contiguous, Winograd)]);
        }
    }

    #[test]
    fn both_number_formats_are_among_the_first_two() {
        for is_dense in [false, true] {
            let outline = Outline { is_dense, has_volumes: false, multiplications: 0 };
            let plans = candidates(&OPEN, &Kernels::measured(&OPEN, outline).unwrap());
            let precisions: Vec<Precision> = plans[..2].iter().map(|plan| plan.precision).collect();
            if environment::fast_bf16(Device::Cpu) {
                assert_eq!(precisions, [Precision::Bf16, Precision::Fp32]);
                assert!(plans[..2].iter().all(|plan| plan.memory_layout == MemoryLayout::ChannelsLast));
            } else {
                assert_eq!(precisions, [Precision::Fp32; 2]);
            }
        }
    }

    #[test]
    fn replicas_of_few_rows_are_not_chosen_unasked() {
        let fixed = ComputeChoices {
            cores: 4,
            precision: Some(Precision::Fp32),
            memory_layout: Some(MemoryLayout::ChannelsLast),
            convolutions: Some(Convolutions::Libtorch),
            ..OPEN
        };
        assert_eq!(run(fixed, 127).plan.replicas, 1);
        assert!(run(fixed, 127).measured.is_empty());
        assert_eq!(run(fixed, 128).measured.len(), 2);
    }
}
