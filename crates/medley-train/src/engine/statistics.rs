//! The running statistics of `BatchNorm`, measured anew: those of a mean of networks are not the mean of theirs.

use std::sync::Arc;

use medley_core::seed::{Purpose, number};
use tch::{TchError, Tensor, no_grad_guard};

use super::SeedRun;
use super::batch_loss::segments;
use super::buffers::copied;
use super::predict::batch_tensor;
use crate::TrainError;
use crate::components::averages::AveragePosition;

/// By how much running statistics move towards those of a batch, as in PyTorch.
const MOMENTUM: f64 = 0.1;

impl SeedRun<'_> {
    /// The position of a step, as averages see it.
    pub(super) fn average_position(&self, step: usize) -> AveragePosition {
        AveragePosition { step, steps_per_epoch: self.steps_per_epoch(), epochs: self.experiment.train.epochs }
    }

    /// Measures the running statistics of the network as it is, if the average wants that after `step`: the mean over batches of the
    /// epoch in progress, as `torch.optim.swa_utils.update_bn`. What no batch reaches, such as the statistics of a task that is
    /// in none, stays as it is.
    pub(super) fn measure_statistics(&self, step: usize) -> Result<(), TrainError> {
        match self.experiment.average.choice.measured_on(self.average_position(step)) {
            Some(batches) => self.measure_statistics_on(batches, step),
            None => Ok(()),
        }
    }

    /// The same on so many batches; with 0, they stay.
    pub(super) fn measure_statistics_on(&self, batches: usize, step: usize) -> Result<(), TrainError> {
        let _guard = no_grad_guard();
        let mut means: Vec<Mean> =
            self.net.buffers().into_iter().map(|(_, tensor)| Mean::new(tensor)).collect::<Result<_, _>>()?;
        let mut requests = self.requests();
        requests.truncate(batches);
        let assembler = Arc::clone(&self.train_assembler);
        let mut stream = assembler.stream(requests, true);
        while let Some(batch) = stream.next() {
            means.iter_mut().try_for_each(Mean::before)?;
            let noise = number(self.seed, Purpose::Network, &[step as u64]);
            self.net.forward_with_noise(&batch_tensor(&batch, self.device)?, &segments(&batch), noise)?;
            means.iter_mut().try_for_each(Mean::after)?;
            stream.recycle(batch);
        }
        Ok(means.iter_mut().try_for_each(Mean::finish)?)
    }
}

/// The mean of what batches make of one buffer.
struct Mean {
    buffer: Tensor,
    original: Tensor,
    sum: Tensor,
    count: f64,
}

impl Mean {
    fn new(buffer: Tensor) -> Result<Self, TchError> {
        Ok(Self { sum: buffer.f_zeros_like()?, original: copied(&buffer)?, buffer, count: 0.0 })
    }

    /// From zero, a pass leaves the statistics of the batch times the momentum.
    fn before(&mut self) -> Result<(), TchError> {
        self.buffer.f_zero_().map(drop)
    }

    fn after(&mut self) -> Result<(), TchError> {
        // A variance of zero everywhere is no batch's: it was not reached.
        if self.buffer.f_any()?.f_int64_value(&[])? == 0 {
            return Ok(());
        }
        self.count += 1.0;
        self.sum.f_add_(&self.buffer).map(drop)
    }

    fn finish(&mut self) -> Result<(), TchError> {
        if self.count == 0.0 {
            return self.buffer.f_copy_(&self.original);
        }
        self.buffer.f_copy_(&self.sum.f_div_scalar(MOMENTUM * self.count)?)
    }
}
