//! One step of the optimizer, and the rest of an epoch made of them.

use std::sync::Arc;
use std::time::Duration;

use medley_augment::Batch;
use medley_core::record::Event;
use tch::{Tensor, no_grad_guard};

use super::SeedRun;
use super::batch_loss::{BatchLoss, MixedBatch};
use super::buffers::{copies, copy_over};
use crate::TrainError;
use crate::components::optimizers::{Sharpness, clip_scale, gradient_norm};
use crate::components::task_weights::{WeightPosition, WeightState};
use crate::observer::Observers;
use crate::stop::StopFlag;

/// In the order of parameters; `None` where the loss does not depend on one.
type Gradients = Vec<Option<Tensor>>;

/// What a pass forward and backward finds.
struct Computed {
    /// What is minimised.
    value: f64,
    /// The mean loss of each task that is weighted and in the batch; empty without weights.
    losses: Vec<Option<f64>>,
    /// `None` where the value is not finite.
    gradients: Option<Gradients>,
}

impl SeedRun<'_> {
    /// The rest of the epoch in progress, or as much of it as callbacks want; `None` when it was interrupted, else the time spent waiting for
    /// data.
    pub(super) fn train_epoch(
        &mut self,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Duration>, TrainError> {
        if self.progress.ended {
            return Ok(Some(Duration::ZERO));
        }
        if !self.ask_teachers(stop)? {
            return Ok(None);
        }
        let mut requests = self.requests();
        requests.drain(..self.progress.step.min(requests.len()));
        let assembler = Arc::clone(&self.train_assembler);
        let mut stream = assembler.stream(requests, true);
        while let Some(mut batch) = stream.next() {
            if stop.requested() {
                return Ok(None);
            }
            self.train_batch(&mut batch, observers)?;
            stream.recycle(batch);
            if self.callbacks.end_epoch() {
                self.end_epoch_here()?;
                break;
            }
        }
        Ok(Some(stream.waited()))
    }

    /// The epoch ends with the step that was done last. An average that goes by whole epochs takes the network as it is.
    fn end_epoch_here(&mut self) -> Result<(), TrainError> {
        self.progress.ended = true;
        let steps = self.steps_per_epoch();
        let is_whole = self.progress.step == steps;
        if self.experiment.average.choice.goes_by_epochs() && !is_whole {
            return self.update_average((self.progress.epoch + 1) * steps - 1);
        }
        Ok(())
    }

    /// One step; the loss before it.
    pub(super) fn train_batch(&mut self, batch: &mut Batch, observers: &mut Observers) -> Result<f64, TrainError> {
        let mixed = self.mixer.mix(batch, self.progress.step as u64);
        let taught = self.taught(batch, &mixed)?;
        self.train_step(&MixedBatch { batch, mixed: &mixed, weights: None, taught: &taught }, observers)
    }

    fn train_step(&mut self, batch: &MixedBatch<'_>, observers: &mut Observers) -> Result<f64, TrainError> {
        let (epoch, step) = (self.progress.epoch, self.progress.step);
        let position = epoch * self.steps_per_epoch() + step;
        let images = batch.mixed.len();
        let before = if self.average.is_none() { copies(&self.net.buffers())? } else { Vec::new() };
        let weights = self.task_weights(position);
        let batch = &MixedBatch { weights: weights.as_deref(), ..*batch };
        let Computed { value, losses, gradients } = self.gradients_at(batch, position)?;
        let gradients = match (gradients, &self.experiment.optimizer.sam) {
            (Some(gradients), Some(sam)) => self.gradients_nearby(sam, &gradients, batch, position)?,
            (gradients, _) => gradients,
        };
        let learning_rate = self.rate_at(position);
        let norm = gradients.as_deref().map_or(Ok(f64::NAN), gradient_norm)?;
        if let (Some(gradients), true) = (gradients, norm.is_finite()) {
            let scale = clip_scale(norm, self.experiment.optimizer.gradient_clip);
            self.optimizer.step(&gradients, scale, learning_rate)?;
            self.update_average(position)?;
            self.learn_task_weights(&losses, batch, position)?;
            self.progress.bad_steps = 0;
            self.progress.loss_sum += value * images as f64;
            self.progress.images += images as u64;
        } else {
            self.restore_buffers(&before)?;
            self.bad_step(if value.is_finite() { "gradient" } else { "loss" }, batch.batch, observers)?;
            if self.experiment.average.choice.goes_by_epochs() {
                self.update_average(position)?;
            }
        }
        self.progress.step += 1;
        observers.send(&Event::Step {
            seed: self.seed,
            epoch: self.over_all(epoch),
            step,
            loss: value,
            learning_rate,
            gradient_norm: norm,
            images,
        })?;
        Ok(value)
    }

    fn update_average(&mut self, position: usize) -> Result<(), TrainError> {
        let share = self.experiment.average.choice.share(self.average_position(position));
        if let (Some(average), Some(share)) = (&mut self.average, share) {
            average.update(share, &self.state)?;
        }
        Ok(())
    }

    /// The loss of a batch and its gradients; a loss that is not finite has none worth the work.
    fn gradients_at(&self, batch: &MixedBatch<'_>, position: usize) -> Result<Computed, TrainError> {
        let BatchLoss { total, tasks } = self.batch_loss(batch, position)?;
        let value = total.f_double_value(&[])?;
        let gradients = if value.is_finite() { Some(self.gradients(&total)?) } else { None };
        let losses = if batch.weights.is_some() { self.by_task(&tasks) } else { Vec::new() };
        Ok(Computed { value, losses, gradients })
    }

    /// The weights of tasks in a step; `None` where all are 1.
    fn task_weights(&self, position: usize) -> Option<Vec<f64>> {
        let weighting = &self.experiment.task_weights.choice;
        if weighting.is_equal() {
            return None;
        }
        let fresh = WeightState::default();
        Some(weighting.weights(self.progress.task_weights.as_ref().unwrap_or(&fresh), self.weight_position(position)))
    }

    /// The weights in a step whose losses are known; `weights` are those without them.
    pub(super) fn weights_of_losses(&self, weights: &[f64], losses: &[(usize, f64)], position: usize) -> Vec<f64> {
        let weighting = &self.experiment.task_weights.choice;
        if !weighting.looks_back() {
            return weights.to_vec();
        }
        let fresh = WeightState::default();
        let state = self.progress.task_weights.as_ref().unwrap_or(&fresh);
        weighting.weights_of_losses(state, self.weight_position(position), &self.by_task(losses))
    }

    fn weight_position(&self, position: usize) -> WeightPosition<'_> {
        WeightPosition { seed: self.seed, step: position as u64, tasks: &self.experiment.tasks }
    }

    fn by_task(&self, losses: &[(usize, f64)]) -> Vec<Option<f64>> {
        let mut all = vec![None; self.data.tasks.len()];
        for &(task, loss) in losses {
            all[task] = Some(loss);
        }
        all
    }

    fn learn_task_weights(
        &mut self,
        losses: &[Option<f64>],
        batch: &MixedBatch<'_>,
        position: usize,
    ) -> Result<(), TrainError> {
        let weighting = &self.experiment.task_weights.choice;
        if weighting.is_equal() {
            return Ok(());
        }
        let after = if weighting.looks_back() { Some(self.losses_again(batch, position)?) } else { None };
        let state = self.progress.task_weights.get_or_insert_default();
        weighting.learn(state, losses);
        if let Some(after) = after {
            weighting.learn_from_both(state, losses, &after);
        }
        state.note(losses);
        Ok(())
    }

    /// The losses of a batch once more, by the network as it is now. Running statistics stay.
    fn losses_again(&self, batch: &MixedBatch<'_>, position: usize) -> Result<Vec<Option<f64>>, TrainError> {
        let _guard = no_grad_guard();
        let buffers = self.net.buffers();
        let statistics = copies(&buffers)?;
        let computed = self.batch_loss(batch, position);
        copy_over(&buffers, &statistics)?;
        Ok(self.by_task(&computed?.tasks))
    }

    /// The gradients where the loss near the parameters is highest. Running statistics are those of the first pass.
    fn gradients_nearby(
        &self,
        sam: &Sharpness,
        gradients: &[Option<Tensor>],
        batch: &MixedBatch<'_>,
        position: usize,
    ) -> Result<Option<Gradients>, TrainError> {
        let (parameters, buffers) = (self.net.parameters(), self.net.buffers());
        let statistics = copies(&buffers)?;
        let origin = sam.ascend(&parameters, gradients)?;
        let nearby = self.gradients_at(batch, position);
        // Whatever became of it, the parameters are where they were.
        origin.restore(&parameters)?;
        copy_over(&buffers, &statistics)?;
        Ok(nearby?.gradients)
    }

    /// In the order of parameters; all missing where the batch has rows of tasks alone whose parameters are all frozen.
    fn gradients(&self, loss: &Tensor) -> Result<Gradients, TrainError> {
        if loss.requires_grad() {
            return Ok(self.net.gradients(loss)?);
        }
        Ok(self.net.parameters().iter().map(|_| None).collect())
    }
}
