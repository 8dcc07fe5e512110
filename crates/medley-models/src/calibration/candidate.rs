//! A step of training by one plan, and what it costs.

use std::time::{Duration, Instant};

use tch::{Device, Kind, Tensor};

use super::{Measurement, Workload};
use crate::conformance::{noise, volume_noise};
use crate::{BuildOptions, ComputePlan, ModelError, MultiTaskNet, Segment, environment};

/// Images per core in a step of the calibration, at most: more do not change which candidate wins there. A GPU gets the batch
/// of the training to come, as from few images it measures how fast kernels are started.
const ROWS_PER_CORE: usize = 16;

/// Images in a step of the calibration on so many cores of a CPU.
pub(super) fn rows(batch_size: usize, cores: usize) -> usize {
    batch_size.min(ROWS_PER_CORE * cores)
}

/// A copy of the network, computed by one plan, and the best of its steps so far.
pub(super) struct Candidate {
    net: MultiTaskNet,
    images: Tensor,
    segments: Vec<Segment>,
    measured: Measurement,
}

impl Candidate {
    /// Builds the network.
    ///
    /// # Errors
    /// As [`MultiTaskNet::build`].
    pub(super) fn new(workload: &Workload<'_>, plan: ComputePlan) -> Result<Self, ModelError> {
        let Workload { net, tasks, input_channels, input_size, batch_size } = *workload;
        environment::set_threads(plan.threads);
        let net = MultiTaskNet::build(net, tasks, &BuildOptions { plan, seed: 0, input_channels, input_size })?;
        let rows = if plan.device == Device::Cpu { rows(batch_size, plan.cores()) } else { batch_size };
        let (images, segments) = batch(&net, tasks.len() as i64, rows as i64)?;
        Ok(Self {
            net,
            images,
            segments,
            measured: Measurement { plan, images_per_second: 0.0, images_per_cpu_second: 0.0 },
        })
    }

    /// How fast it was so far.
    pub(super) fn measured(&self) -> Measurement {
        self.measured
    }

    /// As if it had made no step yet.
    pub(super) fn forget(&mut self) {
        (self.measured.images_per_second, self.measured.images_per_cpu_second) = (0.0, 0.0);
    }

    /// Trains on the batch once.
    ///
    /// # Errors
    /// As [`MultiTaskNet::forward`].
    pub(super) fn step(&mut self) -> Result<(), ModelError> {
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
pub(super) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The shortest time that so many turns say they took, after a first one that chooses and compiles its kernel.
pub(super) fn best_time(
    repeats: usize,
    mut turn: impl FnMut() -> Result<Duration, ModelError>,
) -> Result<Duration, ModelError> {
    turn()?;
    (0..repeats).try_fold(Duration::MAX, |best, _| Ok(turn()?.min(best)))
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

    #[test]
    fn the_time_of_the_process_goes_on_with_its_work() {
        let before = processor_time();
        let mut sum = 0_u64;
        while processor_time() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(processor_time() > before);
    }
}
