//! Choosing how to compute, by trying.
//!
//! Which number format, memory layout and way of using the cores is fastest depends on the processor and on the network:
//! bfloat16 is slower than fp32 where it is emulated, and replicas beat threads only while operations are short. A few steps
//! of each on a small batch decide. The ways are tried in the order in which they usually win, and a later one is taken only when
//! it is clearly faster, so that two runs on one machine choose alike. The clock decides all the same: the choice belongs into
//! the manifest of a run, and a run that must be repeated to the bit pins it.

use std::time::{Duration, Instant};

use medley_core::TaskSpec;
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use crate::conformance::{noise, volume_noise};
use crate::{BuildOptions, MemoryLayout, ModelError, MultiTaskNet, NetConfig, Precision, Segment, environment};

/// One way to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub layout: MemoryLayout,
    /// Threads inside one operation, 1 with replicas.
    pub threads: usize,
    /// Replicas that share a batch.
    pub replicas: usize,
}

/// One way and how fast it was.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// The way.
    #[serde(flatten)]
    pub way: Way,
    /// Images trained on per second of wall time, in the fastest of a few steps.
    pub images_per_second: f64,
}

/// All that was tried, and what is best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The fastest way; the first tried of those that are nearly as fast.
    pub chosen: Way,
    /// In the order of trying.
    pub measured: Vec<Measurement>,
}

/// What is decided already; `None` is to be tried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pinned {
    /// Number format.
    pub precision: Option<Precision>,
    /// Order in memory.
    pub layout: Option<MemoryLayout>,
    /// Replicas; tried are 1 and the number of cores.
    pub replicas: Option<usize>,
}

/// What is to be computed, and how long trying may take.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// The network.
    pub net: &'a NetConfig,
    /// Its tasks.
    pub tasks: &'a [TaskSpec],
    /// How it is built; seed, precision and layout are not looked at.
    pub options: BuildOptions,
    /// Cores that may be used.
    pub cores: usize,
    /// Images per step of the training to come.
    pub batch_size: usize,
    /// Wall time for all ways together. A large network may take longer: every way gets at least one step, most
    /// of them after one to warm up.
    pub budget: Duration,
}

/// Images per core in a step of the calibration, at most: more do not change which way wins there. A GPU gets the batch of the
/// training to come, as from few images it measures how fast kernels are started.
const ROWS_PER_CORE: usize = 16;

/// Each replica normalises by the statistics of its own rows; from few rows they are rough, and accuracy suffers (Wu and He,
/// *Group Normalization*, 2018), so that such replicas are for those who ask for them.
const ROWS_PER_REPLICA: usize = 32;

/// How much faster a way must be than an earlier one to be taken instead. Repeated calibrations on shared machines differ by up to
/// a tenth.
const MARGIN: f64 = 1.1;

/// Trains a copy of the network in every way that is not pinned: first every number format and layout with all cores inside
/// one operation, then the best of them in one replica per core. Replicas are left out where each would see fewer than 32
/// rows, or where tasks have their own `BatchNorm` statistics. If only one way is left, nothing is measured. Libtorch's
/// number of threads is left as it was.
///
/// # Errors
/// As [`MultiTaskNet::build`] and [`MultiTaskNet::forward`].
pub fn calibrate(trial: &Trial<'_>, pinned: Pinned) -> Result<Calibration, ModelError> {
    let before = environment::threads();
    let result = try_all(trial, pinned);
    environment::set_threads(before);
    result
}

fn try_all(trial: &Trial<'_>, pinned: Pinned) -> Result<Calibration, ModelError> {
    let cores = if trial.options.device == Device::Cpu { trial.cores.max(1) } else { 1 };
    let replicas = pinned.replicas.unwrap_or(1);
    let threads = if replicas > 1 { 1 } else { cores };
    let formats = pinned.precision.map_or_else(|| formats(trial.options.device), |precision| vec![precision]);
    let layouts =
        pinned.layout.map_or_else(|| vec![MemoryLayout::ChannelsLast, MemoryLayout::Contiguous], |layout| vec![layout]);
    let ways: Vec<Way> = formats
        .iter()
        .flat_map(|&precision| layouts.iter().map(move |&layout| Way { precision, layout, threads, replicas }))
        .collect();
    let with_replicas = cores > 1
        && pinned.replicas.is_none()
        && trial.batch_size >= cores * ROWS_PER_REPLICA
        && !trial.net.batch_norm.own_statistics();
    if let ([only], false) = (&ways[..], with_replicas) {
        return Ok(Calibration { chosen: *only, measured: Vec::new() });
    }
    let each = trial.budget / (ways.len() + usize::from(with_replicas)) as u32;
    let mut measured: Vec<Measurement> = Vec::new();
    for way in ways {
        measured.push(measure(trial, way, each, best(&measured))?);
    }
    if with_replicas && let Some(best) = best(&measured) {
        let way = Way { threads: 1, replicas: cores, ..best.way };
        measured.push(measure(trial, way, each, Some(best))?);
    }
    let chosen = best(&measured)
        .map_or(Way { precision: Precision::Fp32, layout: MemoryLayout::ChannelsLast, threads, replicas }, |best| {
            best.way
        });
    Ok(Calibration { chosen, measured })
}

fn formats(device: Device) -> Vec<Precision> {
    // Where bfloat16 is emulated there is nothing to find out.
    if environment::fast_bf16(device) { vec![Precision::Bf16, Precision::Fp32] } else { vec![Precision::Fp32] }
}

/// The fastest; an earlier one where the difference may be noise.
fn best(measured: &[Measurement]) -> Option<Measurement> {
    measured.iter().copied().reduce(
        |best, next| {
            if next.images_per_second > MARGIN * best.images_per_second { next } else { best }
        },
    )
}

/// The fastest of as many steps as fit the budget, at least one, after one to warm up, in which libtorch compiles its kernels and
/// replicas start. That first one counts, and is the only one, if it took twice the budget. A way that was then less than half as
/// fast as the best so far gets no more steps.
fn measure(
    trial: &Trial<'_>,
    way: Way,
    budget: Duration,
    so_far: Option<Measurement>,
) -> Result<Measurement, ModelError> {
    let start = Instant::now();
    environment::set_threads(way.threads);
    let options = BuildOptions { precision: way.precision, layout: way.layout, ..trial.options };
    let net = MultiTaskNet::build(trial.net, trial.tasks, &options)?.with_replicas(way.replicas)?;
    let cores = way.threads.max(way.replicas);
    let on_cpu = trial.options.device == Device::Cpu;
    let rows = if on_cpu { trial.batch_size.min(ROWS_PER_CORE * cores) } else { trial.batch_size };
    let (images, segments) = batch(&net, trial.tasks.len() as i64, rows as i64)?;
    let rows = images.size()[0] as f64;
    let timed = || -> Result<f64, ModelError> {
        let began = Instant::now();
        step(&net, &images, &segments)?;
        Ok(rows / began.elapsed().as_secs_f64().max(1e-9))
    };
    let first = timed()?;
    if start.elapsed() > 2 * budget {
        return Ok(Measurement { way, images_per_second: first });
    }
    let mut best = 0.0_f64;
    loop {
        best = best.max(timed()?);
        let hopeless = so_far.is_some_and(|so_far| best < 0.5 * so_far.images_per_second);
        if hopeless || start.elapsed().as_secs_f64() + rows / best > budget.as_secs_f64() {
            return Ok(Measurement { way, images_per_second: best });
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
    use crate::BackboneConfig;
    use crate::conformance::task;

    fn run(pinned: Pinned, cores: usize, batch_size: usize) -> Calibration {
        let net = NetConfig { backbone: BackboneConfig::with_width("resnet9", 4), ..NetConfig::default() };
        let tasks = [task("a", 2), task("b", 3), task("c", 4)];
        let (options, budget) = (BuildOptions::default(), Duration::from_millis(200));
        calibrate(&Trial { net: &net, tasks: &tasks, options, cores, batch_size, budget }, pinned).unwrap()
    }

    #[test]
    fn a_later_way_must_be_clearly_faster() {
        let chosen = |speeds: &[f64]| {
            let measured = (1..).zip(speeds).map(|(threads, &images_per_second)| Measurement {
                way: Way { precision: Precision::Fp32, layout: MemoryLayout::ChannelsLast, threads, replicas: 1 },
                images_per_second,
            });
            best(&measured.collect::<Vec<_>>()).map(|best| best.way.threads)
        };
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[100.0, 109.0, 50.0]), Some(1));
        assert_eq!(chosen(&[100.0, 111.0, 121.0]), Some(2));
        assert_eq!(chosen(&[100.0, 50.0, 200.0]), Some(3));
    }

    #[test]
    fn what_was_measured_decides() {
        let before = environment::threads();
        let calibration = run(Pinned::default(), 2, 64);
        assert_eq!(environment::threads(), before);
        assert_eq!(calibration.chosen, best(&calibration.measured).unwrap().way);
        let first = calibration.measured[0].way;
        assert_eq!((first.layout, first.threads, first.replicas), (MemoryLayout::ChannelsLast, 2, 1));
        let last = calibration.measured.last().unwrap().way;
        assert_eq!((last.threads, last.replicas), (1, 2));
        let text = serde_json::to_string(&calibration).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), calibration);
    }

    #[test]
    fn what_is_pinned_is_not_tried() {
        let pinned =
            Pinned { precision: Some(Precision::Fp32), layout: Some(MemoryLayout::Contiguous), replicas: Some(2) };
        let calibration = run(pinned, 2, 64);
        assert!(calibration.measured.is_empty());
        let way = Way { precision: Precision::Fp32, layout: MemoryLayout::Contiguous, threads: 1, replicas: 2 };
        assert_eq!(calibration.chosen, way);
        assert_eq!(run(Pinned { replicas: Some(1), ..pinned }, 1, 64).chosen.threads, 1);
        let layouts = run(Pinned { layout: None, replicas: Some(1), ..pinned }, 2, 64);
        assert!(layouts.measured.iter().all(|measured| measured.way.precision == Precision::Fp32));
        assert_eq!(layouts.measured.len(), 2);
    }

    #[test]
    fn replicas_of_few_rows_are_not_chosen_unasked() {
        let pinned =
            Pinned { precision: Some(Precision::Fp32), layout: Some(MemoryLayout::ChannelsLast), replicas: None };
        assert_eq!(run(pinned, 4, 127).chosen.replicas, 1);
        assert!(run(pinned, 4, 127).measured.is_empty());
        assert_eq!(run(pinned, 4, 128).measured.len(), 2);
    }
}
