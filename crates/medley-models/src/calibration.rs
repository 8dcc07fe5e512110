//! Choosing how to compute, by trying.
//!
//! Which number format, memory layout and way of using the cores is fastest depends on the processor and on the network:
//! bfloat16 is slower than fp32 where it is emulated, and replicas beat threads only while operations are short. A few steps
//! of each on a small batch decide. The clock decides too, so the choice belongs into the manifest of a run, and a run that
//! must be repeated to the bit pins it.

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

/// All that was tried, and the fastest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The fastest way.
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
    /// Replicas; the number of cores is the only other choice than 1.
    pub replicas: Option<usize>,
}

/// Images per core in a step of the calibration.
const ROWS_PER_CORE: i64 = 16;

/// Trains a copy of the network for about `budget` of wall time, every way that is not pinned: first every number format and
/// layout with `cores` threads, then the best of them in `cores` replicas. Libtorch's number of threads is left as it was.
///
/// # Errors
/// As [`MultiTaskNet::build`] and [`MultiTaskNet::forward`].
pub fn calibrate(
    config: &NetConfig,
    tasks: &[TaskSpec],
    options: &BuildOptions,
    cores: usize,
    pinned: Pinned,
    budget: Duration,
) -> Result<Calibration, ModelError> {
    let cores = if options.device == Device::Cpu { cores.max(1) } else { 1 };
    let before = environment::threads();
    let result = try_all(config, tasks, options, cores, pinned, budget);
    environment::set_threads(before);
    result
}

fn try_all(
    config: &NetConfig,
    tasks: &[TaskSpec],
    options: &BuildOptions,
    cores: usize,
    pinned: Pinned,
    budget: Duration,
) -> Result<Calibration, ModelError> {
    let formats = pinned.precision.map_or_else(|| formats(options.device), |precision| vec![precision]);
    let layouts =
        pinned.layout.map_or_else(|| vec![MemoryLayout::ChannelsLast, MemoryLayout::Contiguous], |layout| vec![layout]);
    let with_replicas = cores > 1 && pinned.replicas.is_none();
    let trials = formats.len() * layouts.len() + usize::from(with_replicas);
    let each = budget / trials as u32;
    let mut measured: Vec<Measurement> = Vec::with_capacity(trials);
    for &precision in &formats {
        for &layout in &layouts {
            let replicas = pinned.replicas.unwrap_or(1);
            let threads = if replicas > 1 { 1 } else { cores };
            measured.push(measure(config, tasks, options, Way { precision, layout, threads, replicas }, each)?);
        }
    }
    if with_replicas {
        let way = Way { threads: 1, replicas: cores, ..fastest(&measured) };
        measured.push(measure(config, tasks, options, way, each)?);
    }
    Ok(Calibration { chosen: fastest(&measured), measured })
}

fn formats(device: Device) -> Vec<Precision> {
    // Where bfloat16 is emulated there is nothing to find out.
    if environment::fast_bf16(device) { vec![Precision::Bf16, Precision::Fp32] } else { vec![Precision::Fp32] }
}

/// There is always one.
fn fastest(measured: &[Measurement]) -> Way {
    let best = measured.iter().max_by(|left, right| left.images_per_second.total_cmp(&right.images_per_second));
    best.map_or(Way { precision: Precision::Fp32, layout: MemoryLayout::Contiguous, threads: 1, replicas: 1 }, |best| {
        best.way
    })
}

/// The fastest of as many steps as fit the budget, one at least, after one to warm up.
fn measure(
    config: &NetConfig,
    tasks: &[TaskSpec],
    options: &BuildOptions,
    way: Way,
    budget: Duration,
) -> Result<Measurement, ModelError> {
    let start = Instant::now();
    environment::set_threads(way.threads);
    let options = BuildOptions { precision: way.precision, layout: way.layout, ..*options };
    let net = MultiTaskNet::build(config, tasks, &options)?.with_replicas(way.replicas)?;
    let rows = ROWS_PER_CORE * way.threads.max(way.replicas) as i64;
    let (images, segments) = batch(&net, tasks.len() as i64, rows)?;
    let rows = images.size()[0];
    step(&net, &images, &segments)?;
    let mut best = Duration::MAX;
    loop {
        let began = Instant::now();
        step(&net, &images, &segments)?;
        best = best.min(began.elapsed());
        if start.elapsed() + best > budget {
            return Ok(Measurement { way, images_per_second: rows as f64 / best.as_secs_f64().max(1e-9) });
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
    net.backward(&loss)?;
    // Waits for a GPU, and notices a network that overflows.
    let value = loss.f_double_value(&[])?;
    for (_, mut parameter) in net.parameters() {
        parameter.zero_grad();
    }
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

    fn run(pinned: Pinned, cores: usize) -> Calibration {
        let config = NetConfig { backbone: BackboneConfig::with_width("resnet9", 4), ..NetConfig::default() };
        let tasks = [task("a", 2), task("b", 3), task("c", 4)];
        calibrate(&config, &tasks, &BuildOptions::default(), cores, pinned, Duration::from_millis(200)).unwrap()
    }

    #[test]
    fn the_fastest_is_chosen() {
        let before = environment::threads();
        let calibration = run(Pinned::default(), 2);
        assert_eq!(environment::threads(), before);
        let best = calibration.measured.iter().map(|m| m.images_per_second).fold(0.0, f64::max);
        let chosen = calibration.measured.iter().find(|measurement| measurement.way == calibration.chosen).unwrap();
        assert_eq!(chosen.images_per_second, best);
        let last = calibration.measured.last().unwrap().way;
        assert_eq!((last.threads, last.replicas), (1, 2));
        let text = serde_json::to_string(&calibration).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), calibration);
    }

    #[test]
    fn what_is_pinned_is_not_tried() {
        let pinned =
            Pinned { precision: Some(Precision::Fp32), layout: Some(MemoryLayout::Contiguous), replicas: Some(2) };
        let calibration = run(pinned, 2);
        assert_eq!(calibration.measured.len(), 1);
        let way = Way { precision: Precision::Fp32, layout: MemoryLayout::Contiguous, threads: 1, replicas: 2 };
        assert_eq!(calibration.chosen, way);
        assert_eq!(run(Pinned { replicas: Some(1), ..pinned }, 1).chosen.threads, 1);
    }
}
