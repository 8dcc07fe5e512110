//! Choosing a compute plan by trying candidates.
//!
//! Which number format, memory layout and use of the cores is fastest depends on the processor and on the network:
//! bfloat16 is slower than fp32 where it is emulated, and replicas beat threads only while operations are short. A few steps
//! of each candidate on a small batch decide. They are tried in the order in which they usually win, and a later one is taken
//! only when it is clearly faster, so that two runs on one machine choose alike. The clock decides all the same: the choice
//! belongs into the manifest of a run, and a run that must be repeated to the bit fixes it.

use std::time::{Duration, Instant};

use medley_core::record::CalibrationTrial;
use medley_core::{MemoryLayout, Precision, TaskSpec};
use tch::{Device, Kind, Tensor};

use crate::conformance::{noise, volume_noise};
use crate::{BuildOptions, ComputePlan, ModelError, MultiTaskNet, Segment, ValidatedNet, environment};

/// What a config fixes of a [`ComputePlan`]; `None` is to be tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ComputeChoices {
    /// Where to compute.
    pub device: Device,
    /// Cores that may be used.
    pub cores: usize,
    /// Number format.
    pub precision: Option<Precision>,
    /// Order in memory.
    pub memory_layout: Option<MemoryLayout>,
    /// Replicas; tried are 1 and the number of cores.
    pub replicas: Option<usize>,
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
    /// Images trained on per second of wall time, in the fastest of a few steps.
    pub images_per_second: f64,
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
        let trial = |&Measurement { plan, images_per_second }: &Measurement| CalibrationTrial {
            precision: plan.precision,
            memory_layout: plan.memory_layout,
            threads: plan.threads,
            replicas: plan.replicas,
            // Digits beyond the noise say nothing.
            images_per_second: (images_per_second * 10.0).round() / 10.0,
        };
        self.measured.iter().map(trial).collect()
    }
}

/// Images per core in a step of the calibration, at most: more do not change which candidate wins there. A GPU gets the batch
/// of the training to come, as from few images it measures how fast kernels are started.
const ROWS_PER_CORE: usize = 16;

/// Each replica normalises by the statistics of its own rows; from few rows they are rough, and accuracy suffers (Wu and He,
/// *Group Normalization*, 2018), so that such replicas are for those who ask for them.
const ROWS_PER_REPLICA: usize = 32;

/// How much faster a candidate must be than an earlier one to be taken instead. Repeated calibrations on shared machines differ
/// by up to a tenth.
const MARGIN: f64 = 1.1;

/// Trains a copy of the network by every candidate: first every number format and layout with all cores inside one operation,
/// then the best of them in one replica per core. Replicas are left out where each would see fewer than 32 rows, or where
/// tasks have their own `BatchNorm` statistics. If only one candidate is left, nothing is measured. Libtorch's number of
/// threads is left as it was.
///
/// `budget` is the wall time for all candidates together. A large network may take longer: every candidate gets at least one
/// step, most of them after one to warm up.
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
    let (first, others) = candidates(choices);
    let with_replicas = tries_replicas(workload, choices);
    if others.is_empty() && !with_replicas {
        return Ok(Calibration { plan: first, measured: Vec::new() });
    }
    let each = budget / (1 + others.len() + usize::from(with_replicas)) as u32;
    let mut best = measure(workload, first, each, 0.0)?;
    let mut measured = vec![best];
    for plan in others {
        let next = measure(workload, plan, each, best.images_per_second)?;
        measured.push(next);
        best = faster(best, next);
    }
    if with_replicas {
        let plan = ComputePlan { threads: 1, replicas: choices.cores, ..best.plan };
        let next = measure(workload, plan, each, best.images_per_second)?;
        measured.push(next);
        best = faster(best, next);
    }
    Ok(Calibration { plan: best.plan, measured })
}

/// Every number format and layout that is not fixed, in the order in which they usually win.
fn candidates(choices: &ComputeChoices) -> (ComputePlan, Vec<ComputePlan>) {
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
    let plan =
        |precision, memory_layout| ComputePlan { device: choices.device, precision, memory_layout, threads, replicas };
    let all = precisions.iter().flat_map(|&precision| layouts.iter().map(move |&layout| plan(precision, layout)));
    (plan(precisions[0], layouts[0]), all.skip(1).collect())
}

fn tries_replicas(workload: &Workload<'_>, choices: &ComputeChoices) -> bool {
    choices.device == Device::Cpu
        && choices.cores > 1
        && choices.replicas.is_none()
        && workload.batch_size >= choices.cores * ROWS_PER_REPLICA
        && !workload.net.config().batch_norm.own_statistics()
}

/// The faster of two; the earlier one where the difference may be noise.
fn faster(earlier: Measurement, later: Measurement) -> Measurement {
    if later.images_per_second > MARGIN * earlier.images_per_second { later } else { earlier }
}

/// The fastest of as many steps as fit the budget, at least one, after one to warm up, in which libtorch
/// compiles its kernels and replicas start. That first one counts, and is the only one, if it took twice the budget. A candidate
/// that was then less than half as fast as the best so far gets no more steps.
fn measure(
    workload: &Workload<'_>,
    plan: ComputePlan,
    budget: Duration,
    best_so_far: f64,
) -> Result<Measurement, ModelError> {
    let start = Instant::now();
    environment::set_threads(plan.threads);
    let Workload { net, tasks, input_channels, input_size, batch_size } = *workload;
    let net = MultiTaskNet::build(net, tasks, &BuildOptions { plan, seed: 0, input_channels, input_size })?;
    let rows = if plan.device == Device::Cpu { batch_size.min(ROWS_PER_CORE * plan.cores()) } else { batch_size };
    let (images, segments) = batch(&net, tasks.len() as i64, rows as i64)?;
    let rows = images.size()[0] as f64;
    let timed = || -> Result<f64, ModelError> {
        let began = Instant::now();
        step(&net, &images, &segments)?;
        Ok(rows / began.elapsed().as_secs_f64().max(1e-9))
    };
    let first = timed()?;
    if start.elapsed() > 2 * budget {
        return Ok(Measurement { plan, images_per_second: first });
    }
    let mut best = 0.0_f64;
    loop {
        best = best.max(timed()?);
        if best < 0.5 * best_so_far || start.elapsed().as_secs_f64() + rows / best > budget.as_secs_f64() {
            return Ok(Measurement { plan, images_per_second: best });
        }
    }
}

/// A batch that mixes all tasks evenly, at least two rows of each.
fn batch(net: &MultiTaskNet, tasks: i64, rows: i64) -> Result<(Tensor, Vec<Segment>), ModelError> {
    let each = (rows / tasks).max(2);
    let segments =
        (0..tasks).map(|task| Segment { task: task as usize, start: task * each, len: each }).collect::<Vec<_>>();
    let BuildOptions { input_channels, input_size, .. } = *net.options();
    let make = if net.config().backbone().volumes { volume_noise } else { noise };
    Ok((make(0, each * tasks, input_channels, input_size)?, segments))
}

fn step(net: &MultiTaskNet, images: &Tensor, segments: &[Segment]) -> Result<(), ModelError> {
    let logits = net.forward(images, segments, true)?;
    let sums = logits.iter().map(|logits| Ok(logits.f_square()?.f_sum(Kind::Float)?));
    let sums = sums.collect::<Result<Vec<_>, ModelError>>()?;
    let loss = Tensor::f_stack(&sums, 0)?.f_sum(Kind::Float)?;
    drop(net.gradients(&loss)?);
    // Waits for a GPU, and notices a network that overflows.
    let value = loss.f_double_value(&[])?;
    if value.is_finite() {
        return Ok(());
    }
    Err(ModelError::Torch { doing: "calibrating".into(), message: format!("the sum of squared logits is {value}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::task;
    use crate::{BackboneConfig, NetConfig};

    const OPEN: ComputeChoices =
        ComputeChoices { device: Device::Cpu, cores: 2, precision: None, memory_layout: None, replicas: None };

    fn run(choices: ComputeChoices, batch_size: usize) -> Calibration {
        let net = NetConfig { backbone: BackboneConfig::with_width("resnet9", 4), ..NetConfig::default() };
        let (net, tasks) = (net.validated().unwrap(), [task("a", 2), task("b", 3), task("c", 4)]);
        let workload = Workload { net: &net, tasks: &tasks, input_channels: 3, input_size: 28, batch_size };
        calibrate(&workload, &choices, Duration::from_millis(200)).unwrap()
    }

    #[test]
    fn a_later_candidate_must_be_clearly_faster() {
        let chosen = |speeds: &[f64]| {
            let measured = (1..).zip(speeds).map(|(threads, &images_per_second)| {
                let plan = ComputePlan { threads, ..ComputePlan::default() };
                Measurement { plan, images_per_second }
            });
            measured.reduce(faster).map(|best| best.plan.threads)
        };
        assert_eq!(chosen(&[100.0, 109.0, 50.0]), Some(1));
        assert_eq!(chosen(&[100.0, 111.0, 121.0]), Some(2));
        assert_eq!(chosen(&[100.0, 50.0, 200.0]), Some(3));
    }

    #[test]
    fn what_was_measured_decides() {
        let before = environment::threads();
        let calibration = run(OPEN, 64);
        assert_eq!(environment::threads(), before);
        assert_eq!(calibration.plan, calibration.measured.iter().copied().reduce(faster).unwrap().plan);
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
            replicas: Some(2),
            ..OPEN
        };
        let calibration = run(fixed, 64);
        assert!(calibration.measured.is_empty());
        let (precision, memory_layout) = (Precision::Fp32, MemoryLayout::Contiguous);
        let plan = ComputePlan { device: Device::Cpu, precision, memory_layout, threads: 1, replicas: 2 };
        assert_eq!(calibration.plan, plan);
        assert_eq!(run(ComputeChoices { replicas: Some(1), cores: 1, ..fixed }, 64).plan.threads, 1);
        let layouts = run(ComputeChoices { memory_layout: None, replicas: Some(1), ..fixed }, 64);
        assert!(layouts.measured.iter().all(|measured| measured.plan.precision == Precision::Fp32));
        assert_eq!(layouts.measured.len(), 2);
    }

    #[test]
    fn replicas_of_few_rows_are_not_chosen_unasked() {
        let fixed = ComputeChoices {
            cores: 4,
            precision: Some(Precision::Fp32),
            memory_layout: Some(MemoryLayout::ChannelsLast),
            ..OPEN
        };
        assert_eq!(run(fixed, 127).plan.replicas, 1);
        assert!(run(fixed, 127).measured.is_empty());
        assert_eq!(run(fixed, 128).measured.len(), 2);
    }
}
