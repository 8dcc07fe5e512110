//! The end of an epoch: validation, selection, callbacks, checkpoints.

use std::time::{Duration, Instant};

use medley_augment::BatchRequest;
use medley_core::record::{EpochMetrics, Event, ScoreSet, TaskMetrics};
use medley_core::{CoreError, Split};

use super::SeedRun;
use super::predict::Prediction;
use crate::TrainError;
use crate::checkpoint::{Best, Progress};
use crate::components::callbacks::EpochReport;
use crate::components::selections::{Selected, Validation};
use crate::observer::Observers;
use crate::sampler::Stretches;
use crate::scoring::score_validation;
use crate::stop::StopFlag;

/// A task without errors is not forgotten.
const LEAST_NEED: f64 = 0.01;

/// How fast an epoch was.
pub(super) struct Throughput {
    images_per_second: f64,
    /// Share of the time in which the loop waited for data.
    data_wait: f64,
}

impl Throughput {
    /// `None` where nothing was done.
    pub(super) fn new(images: u64, started: Instant, waited: Duration) -> Option<Self> {
        let seconds = started.elapsed().as_secs_f64().max(1e-9);
        let data_wait = (waited.as_secs_f64() / seconds).min(1.0);
        (images > 0).then(|| Self { images_per_second: images as f64 / seconds, data_wait })
    }
}

impl SeedRun<'_> {
    /// Validates, keeps the best, saves. `false`, with nothing changed, when a stop was asked for before validation ended.
    pub(super) fn finish_epoch(
        &mut self,
        throughput: Option<Throughput>,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<bool, TrainError> {
        let epoch = self.progress.epoch;
        // Not a number where no step of the epoch could be taken.
        let train_loss = self.progress.loss_sum / self.progress.images as f64;
        let steps = self.progress.step;
        let learning_rate = self.rate_at(epoch * self.steps_per_epoch() + steps.saturating_sub(1));
        self.swap_average()?;
        self.measure_statistics((epoch + 1) * self.steps_per_epoch() - 1)?;
        let predictions = self.predict_validation(observers, stop).map_err(|error| match error {
            TrainError::Core(source @ CoreError::NotFinite { .. }) => {
                TrainError::DivergedScores { seed: self.seed, epoch: epoch + 1, source }
            }
            other => other,
        })?;
        let Some(predictions) = predictions else {
            self.swap_average()?;
            return Ok(false);
        };
        let mut task_weights = self.progress.task_weights.take();
        if let Some(state) = &mut task_weights {
            state.finish_epoch();
        }
        let (result, losses, selected) = self.validated(predictions)?;
        let best =
            self.progress.best.is_none_or(|best| self.experiment.select.choice.prefers(&best.selected(), &selected));
        self.progress = Progress {
            epoch: epoch + 1,
            best: if best {
                Some(Best { epoch: epoch + 1, harmonic_mean: result.harmonic_mean, selected: Some(selected) })
            } else {
                self.progress.best
            },
            bad_steps: self.progress.bad_steps,
            learning_rate: self.progress.learning_rate,
            task_weights,
            stretches: self.next_stretches(&result),
            not_taught: self.not_taught(&result),
            frozen: std::mem::take(&mut self.progress.frozen),
            ingredients: std::mem::take(&mut self.progress.ingredients),
            ..Progress::START
        };
        let over_all = self.over_all(epoch);
        let metrics = EpochMetrics {
            seed: self.seed,
            epoch: over_all,
            train_loss,
            learning_rate,
            validation: metrics(&result, &losses),
            harmonic_mean: result.harmonic_mean,
        };
        self.ask_callbacks(&EpochReport {
            seed: self.seed,
            epoch: epoch + 1,
            steps,
            train_loss,
            validation: &metrics.validation,
            score: selected.score,
            best,
        })?;
        if best {
            self.checkpoints.save_best(self.storage, &self.progress, &self.model_state())?;
            observers.send(&Event::CheckpointSaved {
                seed: self.seed,
                epoch: over_all + 1,
                kind: "best".to_owned(),
            })?;
        }
        self.keep_ingredient(epoch + 1, result.harmonic_mean, selected)?;
        self.swap_average()?;
        observers.send(&Event::EpochFinished {
            metrics,
            best,
            images_per_second: throughput.as_ref().map(|throughput| throughput.images_per_second),
            data_wait: throughput.map(|throughput| throughput.data_wait),
        })?;
        if let Some(reason) = self.progress.stopped.clone() {
            observers.send(&Event::SeedStopped { seed: self.seed, epoch: over_all + 1, reason })?;
        }
        self.keep_epoch_start()?;
        self.save_last(observers)?;
        Ok(true)
    }

    /// Scores the validation: its metrics, the loss of each task, and what it is selected by.
    pub(super) fn validated(
        &self,
        predictions: Vec<Prediction>,
    ) -> Result<(ScoreSet, Vec<Option<f64>>, Selected), TrainError> {
        let losses: Vec<Option<f64>> = predictions.iter().map(|prediction| prediction.loss).collect();
        let scores: Vec<_> = predictions.into_iter().map(|prediction| prediction.scores).collect();
        let own = self.own_tasks();
        let tasks: Vec<_> = own.iter().map(|&task| self.data.tasks[task].clone()).collect();
        let labels: Vec<_> = own.iter().map(|&task| self.data.val_labels[task].clone()).collect();
        let result = score_validation(&tasks, &labels, &scores)?;
        let loss = losses.iter().flatten().sum::<f64>() / losses.len().max(1) as f64;
        let selected = Selected::new(&*self.experiment.select.choice, &Validation { scores: &result, loss });
        Ok((result, losses, selected))
    }

    /// What the next epoch takes, where that follows this validation.
    fn next_stretches(&self, result: &ScoreSet) -> Option<Stretches> {
        let need = self.experiment.sampler.need;
        if need == 0.0 || self.stage.is_some() {
            return None;
        }
        let needs: Vec<f64> =
            result.tasks.iter().map(|task| (1.0 - task.macro_f1).max(LEAST_NEED).powf(need)).collect();
        let now = self.progress.stretches.clone().unwrap_or_else(|| self.sampler.stretches(self.progress.epoch));
        Some(self.sampler.next(&now, &needs))
    }

    /// The batches of the epoch in progress.
    pub(super) fn requests(&self) -> Vec<BatchRequest> {
        let epoch = self.over_all(self.progress.epoch);
        match &self.progress.stretches {
            Some(stretches) => self.sampler.epoch_of(epoch, stretches),
            None => self.sampler.epoch(epoch),
        }
    }

    pub(super) fn rate_at(&self, position: usize) -> f64 {
        self.progress.learning_rate.unwrap_or_else(|| self.learning_rate.at(position))
    }

    /// Asks the callbacks, and takes note of what they want.
    fn ask_callbacks(&mut self, report: &EpochReport<'_>) -> Result<(), TrainError> {
        let decision = self.callbacks.after_epoch(report)?;
        self.progress.learning_rate = decision.learning_rate.or(self.progress.learning_rate);
        self.progress.stopped = decision.stop;
        self.progress.callbacks = self.callbacks.state()?;
        self.change_frozen(decision.frozen, report.epoch)
    }

    pub(super) fn predict_validation(
        &self,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let (assembler, rows) = (&self.val_assembler, self.own_rows(self.data.val.rows()));
        self.predictor().predict(Split::Val, assembler, &rows, Some(&self.data.val_labels), observers, stop)
    }

    pub(super) fn save_last(&mut self, observers: &mut Observers) -> Result<(), TrainError> {
        self.progress.callbacks = self.callbacks.state()?;
        self.checkpoints.save_last(self.storage, &self.progress, &self.full_state())?;
        let epoch = self.over_all(self.progress.epoch);
        observers.send(&Event::CheckpointSaved { seed: self.seed, epoch, kind: "last".to_owned() })
    }
}

fn metrics(result: &ScoreSet, losses: &[Option<f64>]) -> Vec<TaskMetrics> {
    (result.tasks.iter().zip(losses))
        .map(|(task, loss)| TaskMetrics {
            task: task.task.clone(),
            loss: loss.unwrap_or(f64::NAN),
            auc: task.auc,
            accuracy: task.accuracy,
            macro_f1: task.macro_f1,
        })
        .collect()
}
