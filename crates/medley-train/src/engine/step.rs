//! One step of the optimizer, and the rest of an epoch made of them.

use std::sync::Arc;
use std::time::Duration;

use medley_augment::Batch;
use medley_core::record::Event;
use medley_core::seed::{Purpose, number};
use medley_models::Segment;
use tch::{Kind, TchError, Tensor};

use super::SeedRun;
use super::buffers::{copies, restore_finite};
use super::predict::batch_tensor;
use crate::TrainError;
use crate::components::losses::TaskReduction;
use crate::components::optimizers::{clip_scale, gradient_norm};
use crate::observer::Observers;
use crate::stop::StopFlag;

impl SeedRun<'_> {
    /// The rest of the epoch in progress; `None` when it was interrupted, else the time spent waiting for data.
    pub(super) fn train_epoch(
        &mut self,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Duration>, TrainError> {
        let mut requests = self.sampler.epoch(self.progress.epoch);
        requests.drain(..self.progress.step.min(requests.len()));
        let assembler = Arc::clone(&self.train_assembler);
        let mut stream = assembler.stream(requests, true);
        while let Some(batch) = stream.next() {
            if stop.requested() {
                return Ok(None);
            }
            self.train_step(&batch, observers)?;
            stream.recycle(batch);
        }
        Ok(Some(stream.waited()))
    }

    fn train_step(&mut self, batch: &Batch, observers: &mut Observers) -> Result<(), TrainError> {
        let (epoch, step) = (self.progress.epoch, self.progress.step);
        let position = epoch * self.steps_per_epoch() + step;
        let images = batch.request.samples.len();
        let before = if self.average.is_none() { copies(&self.net.buffers())? } else { Vec::new() };
        let loss = self.batch_loss(batch, position)?;
        let value = loss.f_double_value(&[])?;
        let learning_rate = self.rate_at(position);
        // A loss that is not finite has no gradient worth the work.
        let gradients = if value.is_finite() { Some(self.gradients(&loss)?) } else { None };
        let norm = gradients.as_deref().map_or(Ok(f64::NAN), gradient_norm)?;
        if let (Some(gradients), true) = (gradients, norm.is_finite()) {
            let scale = clip_scale(norm, self.experiment.optimizer.gradient_clip);
            self.optimizer.step(&gradients, scale, learning_rate)?;
            if let Some(average) = &mut self.average {
                average.update(position, &self.state)?;
            }
            self.progress.bad_steps = 0;
            self.progress.loss_sum += value * images as f64;
            self.progress.images += images as u64;
        } else {
            self.restore_buffers(&before)?;
            self.count_bad_step(if value.is_finite() { "gradient" } else { "loss" }, observers)?;
        }
        self.progress.step += 1;
        observers.send(&Event::Step {
            seed: self.seed,
            epoch,
            step,
            loss: value,
            learning_rate,
            gradient_norm: norm,
            images,
        })
    }

    /// One number from the losses of all rows in the batch.
    fn batch_loss(&self, batch: &Batch, position: usize) -> Result<Tensor, TrainError> {
        let segments = segments(batch);
        // Dropout is a function of the position, which makes resuming exact.
        let noise = number(self.seed, Purpose::Network, &[position as u64]);
        let logits = self.net.forward_with_noise(&batch_tensor(batch, self.device)?, &segments, noise)?;
        let mut sums = Vec::with_capacity(segments.len());
        for (segment, logits) in segments.iter().zip(&logits) {
            let from = segment.start as usize;
            let samples = &batch.request.samples[from..from + segment.len as usize];
            let rows: Vec<usize> = samples.iter().map(|sample| sample.index).collect();
            let loss = &self.losses[segment.task];
            let targets = loss.targets(&self.data.train_labels[segment.task], &rows)?.f_to_device(self.device)?;
            let divisor = match self.experiment.loss.task_reduction() {
                TaskReduction::Samples => batch.request.samples.len(),
                TaskReduction::Tasks => rows.len() * segments.len(),
            };
            sums.push(loss.per_row(logits, &targets)?.f_sum(Kind::Float)?.f_div_scalar(divisor as f64)?);
        }
        Ok(Tensor::f_stack(&sums, 0)?.f_sum(Kind::Float)?)
    }

    /// In the order of parameters; all missing where the batch has rows of tasks alone whose parameters are all frozen.
    fn gradients(&self, loss: &Tensor) -> Result<Vec<Option<Tensor>>, TrainError> {
        if loss.requires_grad() {
            return Ok(self.net.gradients(loss)?);
        }
        Ok(self.net.parameters().iter().map(|_| None).collect())
    }

    fn count_bad_step(&mut self, what: &'static str, observers: &mut Observers) -> Result<(), TrainError> {
        self.progress.bad_steps += 1;
        let (epoch, step) = (self.progress.epoch + 1, self.progress.step + 1);
        if self.progress.bad_steps > self.experiment.train.max_bad_steps {
            return Err(TrainError::Diverged { what, steps: self.progress.bad_steps, seed: self.seed, epoch, step });
        }
        let message =
            format!("the {what} is not finite (seed {}, epoch {epoch}, step {step}); step skipped", self.seed);
        observers.send(&Event::Warning { message })
    }

    /// The forward pass of a bad step may have left infinite running statistics, on which every later step would fail: those
    /// are taken back from the moving average or, without one, from `before` the step.
    fn restore_buffers(&self, before: &[(String, Tensor)]) -> Result<(), TchError> {
        match &self.average {
            Some(average) => restore_finite(&self.state, &average.state()),
            None => restore_finite(&self.net.buffers(), before),
        }
    }
}

/// Where each task lies in a batch that is sorted by task.
fn segments(batch: &Batch) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    for (row, sample) in batch.request.samples.iter().enumerate() {
        match segments.last_mut() {
            Some(segment) if segment.task == sample.task => segment.len += 1,
            _ => segments.push(Segment { task: sample.task, start: row as i64, len: 1 }),
        }
    }
    segments
}
