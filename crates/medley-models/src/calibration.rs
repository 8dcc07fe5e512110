//! Choosing a compute plan by trying candidates.
//!
//! Which number format, memory layout and use of the cores is fastest depends on the processor and on the network:
//! bfloat16 is slower than fp32 where it is emulated, and replicas beat threads only while operations are short. A few steps
//! of each candidate on a small batch decide.
//!
//! Other programs disturb a clock, so no candidate has a stretch of time of its own: all take turns, a step each, and each is
//! judged by its best step. Number formats and layouts, which use the cores alike, are compared by the processor time of the
//! process, of which other programs take nothing; threads and replicas, which use the cores differently, by the time that passes.
//! The order of the candidates is the one in which they usually win, and a later one is taken only when it is clearly faster. The
//! rounds end when the order is settled. The clock decides all the same: the choice belongs into the manifest of a run, and a run
//! that must be repeated to the bit fixes it.

use std::time::{Duration, Instant};

use medley_core::record::CalibrationTrial;
use medley_core::{Convolutions, MemoryLayout, Precision, TaskSpec};
use serde::Serialize;
use tch::{Device, Kind, Tensor};

use crate::conformance::{noise, volume_noise};
use crate::{BuildOptions, ComputePlan, ModelError, MultiTaskNet, Segment, ValidatedNet, device, environment};

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

/// Images per core in a step of the calibration, at most: more do not change which candidate wins there. A GPU gets the batch
/// of the training to come, as from few images it measures how fast kernels are started.
const ROWS_PER_CORE: usize = 16;

/// Each replica normalises by the statistics of its own rows; from few rows they are rough, and accuracy suffers (Wu and He,
/// *Group Normalization*, 2018), so that such replicas are for those who ask for them.
const ROWS_PER_REPLICA: usize = 32;

/// How much faster a candidate must be than an earlier one to be taken instead. Repeated calibrations on shared machines differ
/// by up to a tenth.
const MARGIN: f64 = 1.1;

/// The trial ends when the same candidate has led for so many rounds, and there were twice as many.
const SETTLED: usize = 3;

/// A candidate whose best step costs so many times that of the best candidate takes no further part.
const HOPELESS: f64 = 1.5;

/// Trains a copy of the network by every candidate, in turn: first every number format and layout with all cores inside one
/// operation, then the best of them and the same in one replica per core. Replicas are left out where each would see fewer than 32
/// rows, or where tasks have their own `BatchNorm` statistics. If only one candidate is left, nothing is measured. Libtorch's number
/// of threads is left as it was.
///
/// `budget` is the time for all candidates together. A large network may take longer: every candidate gets at least one
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
    let plans = candidates(choices, suits_winograd(workload, choices)?);
    let with_replicas = tries_replicas(workload, choices);
    if plans.len() == 1 && !with_replicas {
        return Ok(Calibration { plan: plans[0], measured: Vec::new() });
    }
    // A third of the time for two candidates, whatever the others took.
    let (for_plans, for_replicas) = if with_replicas { (budget * 2 / 3, budget / 3) } else { (budget, budget) };
    let mut best = plans[0];
    let mut measured = Vec::new();
    if plans.len() > 1 {
        measured = take_turns(workload, &plans, Clock::Processor, for_plans)?;
        best = measured[winner(&measured, Clock::Processor)].plan;
    }
    if with_replicas {
        let plans = [best, ComputePlan { threads: 1, replicas: choices.cores, ..best }];
        let both = take_turns(workload, &plans, Clock::Passing, for_replicas)?;
        best = both[winner(&both, Clock::Passing)].plan;
        // The first of them has been measured before, unless it was the only one.
        measured.extend(&both[usize::from(!measured.is_empty())..]);
    }
    Ok(Calibration { plan: best, measured })
}

/// What a step costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// Time of the process on all processors.
    Processor,
    /// Time on the wall.
    Passing,
}

impl Measurement {
    fn speed(&self, clock: Clock) -> f64 {
        match clock {
            Clock::Processor => self.images_per_cpu_second,
            Clock::Passing => self.images_per_second,
        }
    }
}

/// The place of the fastest; an earlier one stays where the difference may be noise.
fn winner(measured: &[Measurement], clock: Clock) -> usize {
    let clearly_faster =
        |later: usize, earlier: usize| measured[later].speed(clock) > MARGIN * measured[earlier].speed(clock);
    (1..measured.len()).fold(0, |best, next| if clearly_faster(next, best) { next } else { best })
}

/// A step each to warm up, in which libtorch compiles its kernels and replicas start; then a step each, round by round, until the
/// order is settled or the time is over. If warming up took twice the budget, those steps are all there is; so they are if it took half
/// of it and leaves one candidate.
fn take_turns(
    workload: &Workload<'_>,
    plans: &[ComputePlan],
    clock: Clock,
    budget: Duration,
) -> Result<Vec<Measurement>, ModelError> {
    let start = Instant::now();
    let mut candidates = plans.iter().map(|&plan| Candidate::new(workload, plan)).collect::<Result<Vec<_>, _>>()?;
    for candidate in &mut candidates {
        candidate.step()?;
    }
    let measured = |candidates: &[Candidate]| candidates.iter().map(|candidate| candidate.measured).collect::<Vec<_>>();
    let warm = measured(&candidates);
    let hopeful_places = hopeful(&warm, clock);
    // Of a large network a step takes so long that compiling kernels no longer hides which candidates are out of the question.
    if start.elapsed() > 2 * budget || (start.elapsed() > budget / 2 && hopeful_places.len() == 1) {
        return Ok(warm);
    }
    for candidate in &mut candidates {
        candidate.forget();
    }
    let mut leaders = Vec::new();
    loop {
        for place in hopeful(&measured(&candidates), clock) {
            candidates[place].step()?;
        }
        let measured = measured(&candidates);
        leaders.push(winner(&measured, clock));
        if is_settled(&leaders) || start.elapsed() > budget {
            return Ok(measured);
        }
    }
}

/// The places of the candidates that are not far behind the best.
fn hopeful(measured: &[Measurement], clock: Clock) -> Vec<usize> {
    let best = measured.iter().map(|measured| measured.speed(clock)).fold(0.0, f64::max);
    (0..measured.len()).filter(|&place| measured[place].speed(clock) * HOPELESS >= best).collect()
}

/// Whether one candidate has led for long enough.
fn is_settled(leaders: &[usize]) -> bool {
    leaders.len() >= 2 * SETTLED && leaders[leaders.len() - SETTLED..].windows(2).all(|pair| pair[0] == pair[1])
}

/// Whether Winograd's algorithm is worth a trial.
fn suits_winograd(workload: &Workload<'_>, choices: &ComputeChoices) -> Result<bool, ModelError> {
    if choices.device != Device::Cpu || !medley_kernels::is_fast_here() {
        return Ok(false);
    }
    let Workload { net, tasks, input_channels, input_size, .. } = *workload;
    let options = BuildOptions { input_channels, input_size, ..BuildOptions::default() };
    Ok(MultiTaskNet::outline(net, tasks, &options)?.winograd_layers() > 0)
}

/// Every number format, layout and set of kernels that is not fixed, in the order in which they usually win; at least one.
fn candidates(choices: &ComputeChoices, winograd: bool) -> Vec<ComputePlan> {
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
    let kernels = match choices.convolutions {
        Some(fixed) => vec![fixed],
        None if winograd => vec![Convolutions::Winograd, Convolutions::Libtorch],
        None => vec![Convolutions::Libtorch],
    };
    let mut plans = Vec::new();
    for precision in precisions {
        for &memory_layout in &layouts {
            let plan = |convolutions| ComputePlan {
                device: choices.device,
                precision,
                memory_layout,
                convolutions,
                threads,
                replicas,
            };
            plans.extend(kernels.iter().map(|&kernels| plan(kernels)));
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

/// A copy of the network, computed by one plan, and the best of its steps so far.
struct Candidate {
    net: MultiTaskNet,
    images: Tensor,
    segments: Vec<Segment>,
    measured: Measurement,
}

impl Candidate {
    fn new(workload: &Workload<'_>, plan: ComputePlan) -> Result<Self, ModelError> {
        let Workload { net, tasks, input_channels, input_size, batch_size } = *workload;
        environment::set_threads(plan.threads);
        let net = MultiTaskNet::build(net, tasks, &BuildOptions { plan, seed: 0, input_channels, input_size })?;
        let rows = if plan.device == Device::Cpu { batch_size.min(ROWS_PER_CORE * plan.cores()) } else { batch_size };
        let (images, segments) = batch(&net, tasks.len() as i64, rows as i64)?;
        Ok(Self {
            net,
            images,
            segments,
            measured: Measurement { plan, images_per_second: 0.0, images_per_cpu_second: 0.0 },
        })
    }

    /// As if it had made no step yet.
    fn forget(&mut self) {
        (self.measured.images_per_second, self.measured.images_per_cpu_second) = (0.0, 0.0);
    }

    fn step(&mut self) -> Result<(), ModelError> {
        let plan = self.measured.plan;
        environment::set_threads(plan.threads);
        let (processor, passing) = (processor_time(), Instant::now());
        step(&self.net, &self.images, &self.segments)?;
        let (processor, passing) = (processor_time().saturating_sub(processor), passing.elapsed());
        // What a GPU does takes no time of a processor.
        let processor = if plan.device == Device::Cpu { processor } else { passing };
        let speed = |time: Duration| self.images.size()[0] as f64 / time.as_secs_f64().max(1e-9);
        self.measured.images_per_second = self.measured.images_per_second.max(speed(passing));
        self.measured.images_per_cpu_second = self.measured.images_per_cpu_second.max(speed(processor));
        Ok(())
    }
}

/// Time that this process has had of all processors.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
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

    const OPEN: ComputeChoices = ComputeChoices::open(Device::Cpu, 2);

    fn run(choices: ComputeChoices, batch_size: usize) -> Calibration {
        let net = NetConfig { backbone: BackboneConfig::with_width("resnet9", 4), ..NetConfig::default() };
        let (net, tasks) = (net.validated().unwrap(), [task("a", 2), task("b", 3), task("c", 4)]);
        let workload = Workload { net: &net, tasks: &tasks, input_channels: 3, input_size: 28, batch_size };
        calibrate(&workload, &choices, Duration::from_millis(200)).unwrap()
    }

    /// Measurements with these speeds.
    fn measured(speeds: &[f64]) -> Vec<Measurement> {
        let measured = |&speed: &f64| Measurement {
            plan: ComputePlan::default(),
            images_per_second: 1000.0 - speed,
            images_per_cpu_second: speed,
        };
        speeds.iter().map(measured).collect()
    }

    #[test]
    fn a_later_candidate_must_be_clearly_faster() {
        let chosen = |speeds: &[f64]| winner(&measured(speeds), Clock::Processor);
        assert_eq!(chosen(&[100.0, 109.0, 50.0]), 0);
        assert_eq!(chosen(&[100.0, 111.0, 121.0]), 1);
        assert_eq!(chosen(&[100.0, 50.0, 200.0]), 2);
        assert_eq!(winner(&measured(&[800.0, 100.0]), Clock::Passing), 1);
    }

    #[test]
    fn who_is_far_behind_takes_no_further_part() {
        assert_eq!(hopeful(&measured(&[100.0, 150.0, 99.0]), Clock::Processor), [0, 1]);
        assert_eq!(hopeful(&measured(&[0.0, 0.0]), Clock::Processor), [0, 1]);
    }

    #[test]
    fn rounds_end_when_one_leads_for_three_of_at_least_six() {
        assert!(!is_settled(&[0, 0, 0, 0, 0]));
        assert!(is_settled(&[1, 0, 0, 0, 0, 0]));
        assert!(!is_settled(&[0, 0, 0, 0, 1, 0]));
        assert!(is_settled(&[0, 0, 0, 0, 1, 1, 1]));
    }

    #[test]
    fn the_time_of_the_process_goes_on_with_its_work() {
        let before = processor_time();
        let mut sum = 0_u64;
        while processor_time() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(processor_time() > before);
    }

    #[test]
    fn what_was_measured_decides() {
        let before = environment::threads();
        let calibration = run(OPEN, 64);
        assert_eq!(environment::threads(), before);
        let measured = &calibration.measured;
        assert!(measured.iter().all(|one| one.images_per_second.is_finite() && one.images_per_cpu_second.is_finite()));
        let alone = &measured[..measured.len() - 1];
        let best = alone[winner(alone, Clock::Processor)].plan;
        assert!([best, ComputePlan { threads: 1, replicas: 2, ..best }].contains(&calibration.plan));
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
        let suits = suits_winograd(&workload, &choices).unwrap();
        candidates(&choices, suits).iter().map(|plan| (plan.memory_layout, plan.convolutions)).collect()
    }

    #[test]
    fn winograd_is_tried_where_it_can_compute_something() {
        use Convolutions::{Libtorch, Winograd};
        use MemoryLayout::{ChannelsLast, Contiguous};
        let open = ComputeChoices { precision: Some(Precision::Fp32), ..OPEN };
        let without = [(ChannelsLast, Libtorch), (Contiguous, Libtorch)];
        let with = [(ChannelsLast, Winograd), (ChannelsLast, Libtorch), (Contiguous, Libtorch)];
        let tried = kernels_tried("resnet9", 16, open);
        assert_eq!(tried, if medley_kernels::is_fast_here() { with.to_vec() } else { without.to_vec() });
        assert_eq!(kernels_tried("resnet9", 1, open), without);
        assert_eq!(kernels_tried("resnet9", 16, ComputeChoices { precision: Some(Precision::Bf16), ..open }), without);
        let fixed = ComputeChoices { convolutions: Some(Winograd), ..open };
        assert_eq!(kernels_tried("resnet9", 16, fixed), [(ChannelsLast, Winograd)]);
        let impossible = ComputeChoices { memory_layout: Some(Contiguous), ..fixed };
        assert_eq!(kernels_tried("resnet9", 16, impossible), [(Contiguous, Winograd)]);
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
