//! The run of one seed: a network trained with one seed, from its first step (or a checkpoint) to its last.

pub mod average;
mod buffers;
pub mod predict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use medley_augment::{Batch, BatchAssembler};
use medley_core::record::{Event, ScoreSet, TaskMetrics};
use medley_core::seed::{Purpose, number};
use medley_core::{CoreError, RunLayout, Split, TaskSpec};
use medley_models::{BuildOptions, ComputePlan, MultiTaskNet, Segment};
use medley_storage::Storage;
use tch::{Device, Kind, TchError, Tensor};

use crate::TrainError;
use crate::checkpoint::{Best, CheckpointFolder, Progress};
use crate::components::callbacks::{Callbacks, EpochReport};
use crate::components::losses::{TaskLoss, TaskReduction};
use crate::components::optimizers::{self, Optimizer, Parameter, clip_scale, gradient_norm};
use crate::components::schedules::LearningRate;
use crate::components::selections::{Selected, Validation};
use crate::config::Experiment;
use crate::data::{INPUT_CHANNELS, LearningData, SplitSources};
use crate::engine::average::MovingAverage;
use crate::engine::buffers::{copies, restore_finite};
use crate::engine::predict::{Prediction, Predictor, batch_tensor};
use crate::observer::Observers;
use crate::pretrained::Pretrained;
use crate::sampler::Sampler;
use crate::scoring::score_validation;
use crate::stop::StopFlag;

/// Values of the images that are predicted at once unless the config says how many: 512 images of 64x64 pixels in colour.
const PREDICTED_VALUES: usize = 512 * 64 * 64 * INPUT_CHANNELS;

/// How [`SeedRun::train`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All epochs are done.
    Finished,
    /// A stop was asked for; a checkpoint is written.
    Interrupted,
}

/// How fast an epoch was.
struct Throughput {
    images_per_second: f64,
    /// Share of the time in which the loop waited for data.
    data_wait: f64,
}

impl Throughput {
    /// `None` where nothing was done.
    fn new(images: u64, started: Instant, waited: Duration) -> Option<Self> {
        let seconds = started.elapsed().as_secs_f64().max(1e-9);
        let data_wait = (waited.as_secs_f64() / seconds).min(1.0);
        (images > 0).then(|| Self { images_per_second: images as f64 / seconds, data_wait })
    }
}

/// The network of an experiment with the initial parameters of a seed, those that the config freezes without gradients.
///
/// # Errors
/// When the options of the network do not fit each other, the tasks or the images, or a group of parameters has none.
pub fn build_network(
    experiment: &Experiment,
    tasks: &[TaskSpec],
    seed: u64,
    plan: ComputePlan,
) -> Result<MultiTaskNet, TrainError> {
    let (input_channels, input_size) = (INPUT_CHANNELS as i64, experiment.data.size as i64);
    let options = BuildOptions { plan, seed, input_channels, input_size };
    let mut net = MultiTaskNet::build(experiment.validated_net(), tasks, &options)?;
    let frozen: Vec<Parameter> = parameters(experiment, &net)?.into_iter().filter(|one| one.frozen).collect();
    if !frozen.is_empty() {
        net.freeze(|name| frozen.iter().any(|parameter| parameter.name == name))?;
    }
    Ok(net)
}

/// The parameters of a network, as the groups of the config treat them.
fn parameters(experiment: &Experiment, net: &MultiTaskNet) -> Result<Vec<Parameter>, TrainError> {
    let assigned = optimizers::assign(&experiment.optimizer, &net.parameters());
    Ok(assigned.map_err(|error| experiment.refuse(&error.key, error.problem))?)
}

/// A network in training.
pub struct SeedRun<'a> {
    experiment: &'a Experiment,
    data: &'a LearningData,
    seed: u64,
    device: Device,
    net: MultiTaskNet,
    state: Vec<(String, Tensor)>,
    losses: Vec<TaskLoss>,
    optimizer: Box<dyn Optimizer>,
    average: Option<MovingAverage>,
    sampler: Sampler,
    learning_rate: LearningRate,
    train_assembler: Arc<BatchAssembler>,
    val_assembler: Arc<BatchAssembler>,
    checkpoints: CheckpointFolder,
    storage: &'a dyn Storage,
    callbacks: Callbacks,
    progress: Progress,
    skipped: Vec<String>,
}

impl<'a> SeedRun<'a> {
    /// A fresh network, started from `pretrained` if that is given; the newest checkpoint of the run, if there is one, is loaded
    /// into it.
    ///
    /// # Errors
    /// When the network cannot be built or a checkpoint not be used.
    pub fn new(
        experiment: &'a Experiment,
        data: &'a LearningData,
        seed: u64,
        plan: ComputePlan,
        pretrained: Option<&Pretrained>,
        run: &RunLayout,
        storage: &'a dyn Storage,
    ) -> Result<Self, TrainError> {
        let net = build_network(experiment, &data.tasks, seed, plan)?;
        let checkpoints = CheckpointFolder::new(run.checkpoints(seed), seed);
        if let (Some(pretrained), true) = (pretrained, checkpoints.is_fresh()?) {
            pretrained.start(&net)?;
        }
        let state: Vec<_> = net.parameters().into_iter().chain(net.buffers()).collect();
        let losses = (data.tasks.iter().zip(&data.train_labels))
            .map(|(task, labels)| TaskLoss::new(experiment.loss.of(&task.name), task, labels, plan.device))
            .collect();
        let decay = experiment.train.ema_decay;
        let sampler = Sampler::new(
            seed,
            &data.train.rows(),
            experiment.sampler.alpha,
            experiment.sampler.samples_per_epoch,
            experiment.train.batch_size,
        );
        let steps = sampler.batches_per_epoch() * experiment.train.epochs;
        let mut seed_run = Self {
            optimizer: experiment.optimizer.choice.build(parameters(experiment, &net)?, plan.cores())?,
            average: if decay > 0.0 { Some(MovingAverage::new(decay, &state)?) } else { None },
            learning_rate: LearningRate::new(&experiment.schedule, experiment.optimizer.learning_rate, steps),
            train_assembler: data.train.assembler(experiment, seed)?,
            val_assembler: data.val.assembler(experiment, seed)?,
            checkpoints,
            callbacks: Callbacks::configured(&experiment.stop),
            progress: Progress::START,
            skipped: Vec::new(),
            device: plan.device,
            experiment,
            data,
            seed,
            net,
            state,
            losses,
            sampler,
            storage,
        };
        seed_run.checkpoints.sweep()?;
        if let Some((progress, skipped)) = seed_run.checkpoints.load_last(&seed_run.full_state())? {
            (seed_run.progress, seed_run.skipped) = (progress, skipped);
        }
        Ok(seed_run)
    }

    /// Adds callbacks to those of the config; they go on from what the checkpoint has of them.
    ///
    /// # Errors
    /// [`TrainError::Callback`].
    pub fn with_callbacks(mut self, more: Callbacks) -> Result<Self, TrainError> {
        self.callbacks.extend(more);
        let loaded = self.callbacks.load_state(&self.progress.callbacks);
        loaded.map_err(|(name, problem)| TrainError::Callback { name, problem })?;
        Ok(self)
    }

    /// Where it stands.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Checkpoints that were newer than the one loaded and could not be used, with the reason.
    pub fn skipped_checkpoints(&self) -> &[String] {
        &self.skipped
    }

    /// Trainable parameters.
    pub fn parameter_count(&self) -> usize {
        self.net.parameter_count()
    }

    /// Optimizer steps in an epoch.
    pub fn steps_per_epoch(&self) -> usize {
        self.sampler.batches_per_epoch()
    }

    /// Trains until the last epoch, or until a stop is asked for.
    ///
    /// # Errors
    /// Divergence, a full disk, a failing observer. The newest checkpoint stays usable.
    pub fn train(&mut self, observers: &mut Observers, stop: &StopFlag) -> Result<Outcome, TrainError> {
        while !self.is_finished() {
            let (started, images_before) = (Instant::now(), self.progress.images);
            let Some(waited) = self.train_epoch(observers, stop)? else {
                self.save_last(observers)?;
                return Ok(Outcome::Interrupted);
            };
            // Of this process: others have trained on the images before.
            let throughput = Throughput::new(self.progress.images - images_before, started, waited);
            if !self.finish_epoch(throughput, observers, stop)? {
                // All steps of the epoch are done, and its validation is not: that is where it goes on.
                self.save_last(observers)?;
                return Ok(Outcome::Interrupted);
            }
            if stop.requested() && !self.is_finished() {
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(Outcome::Finished)
    }

    fn is_finished(&self) -> bool {
        self.progress.epoch >= self.experiment.train.epochs || self.progress.stopped.is_some()
    }

    /// The rest of the epoch in progress; `None` when it was interrupted, else the time spent waiting for data.
    fn train_epoch(&mut self, observers: &mut Observers, stop: &StopFlag) -> Result<Option<Duration>, TrainError> {
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
        let gradients = if value.is_finite() { Some(self.net.gradients(&loss)?) } else { None };
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

    /// Validates, keeps the best, saves. `false`, with nothing changed, when a stop was asked for before validation ended.
    fn finish_epoch(
        &mut self,
        throughput: Option<Throughput>,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<bool, TrainError> {
        let epoch = self.progress.epoch;
        let train_loss = self.progress.loss_sum / self.progress.images.max(1) as f64;
        let last_step = epoch * self.steps_per_epoch() + self.progress.step.saturating_sub(1);
        let learning_rate = self.rate_at(last_step);
        self.swap_average()?;
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
        let losses: Vec<Option<f64>> = predictions.iter().map(|prediction| prediction.loss).collect();
        let scores: Vec<_> = predictions.into_iter().map(|prediction| prediction.scores).collect();
        let result = score_validation(&self.data.tasks, &self.data.val_labels, &scores)?;
        let loss = losses.iter().flatten().sum::<f64>() / losses.len().max(1) as f64;
        let validation = Validation { scores: &result, loss };
        let selected = Selected::new(&*self.experiment.select.choice, &validation);
        let best = self.progress.best.is_none_or(|best| best.selected().is_beaten_by(&selected));
        self.progress = Progress {
            epoch: epoch + 1,
            best: if best {
                Some(Best { epoch: epoch + 1, harmonic_mean: result.harmonic_mean, selected: Some(selected) })
            } else {
                self.progress.best
            },
            bad_steps: self.progress.bad_steps,
            learning_rate: self.progress.learning_rate,
            ..Progress::START
        };
        let validation = figures(&result, &losses);
        self.ask_callbacks(&EpochReport {
            seed: self.seed,
            epoch: epoch + 1,
            train_loss,
            validation: &validation,
            score: selected.score,
            best,
        })?;
        if best {
            self.checkpoints.save_best(self.storage, &self.progress, &self.model_state())?;
            observers.send(&Event::CheckpointSaved { seed: self.seed, epoch: epoch + 1, kind: "best".to_owned() })?;
        }
        self.swap_average()?;
        observers.send(&Event::EpochFinished {
            seed: self.seed,
            epoch,
            train_loss,
            learning_rate,
            validation,
            harmonic_mean: result.harmonic_mean,
            best,
            images_per_second: throughput.as_ref().map(|throughput| throughput.images_per_second),
            data_wait: throughput.map(|throughput| throughput.data_wait),
        })?;
        if let Some(reason) = self.progress.stopped.clone() {
            observers.send(&Event::SeedStopped { seed: self.seed, epoch: epoch + 1, reason })?;
        }
        self.save_last(observers)?;
        Ok(true)
    }

    fn rate_at(&self, position: usize) -> f64 {
        self.progress.learning_rate.unwrap_or_else(|| self.learning_rate.at(position))
    }

    /// Asks the callbacks, and takes note of what they want.
    fn ask_callbacks(&mut self, report: &EpochReport<'_>) -> Result<(), TrainError> {
        let decision = self.callbacks.after_epoch(report);
        if let Some(rate) = decision.learning_rate {
            if !rate.is_finite() || rate < 0.0 {
                let problem = format!("{rate} is no learning rate: it must be finite and not negative");
                return Err(TrainError::Callback { name: "learning rate".to_owned(), problem });
            }
            self.progress.learning_rate = Some(rate);
        }
        self.progress.stopped = decision.stop;
        self.progress.callbacks = self.callbacks.state();
        Ok(())
    }

    fn predict_validation(
        &self,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let (assembler, rows) = (&self.val_assembler, self.data.val.rows());
        self.predictor().predict(Split::Val, assembler, &rows, Some(&self.data.val_labels), observers, stop)
    }

    fn save_last(&mut self, observers: &mut Observers) -> Result<(), TrainError> {
        self.progress.callbacks = self.callbacks.state();
        self.checkpoints.save_last(self.storage, &self.progress, &self.full_state())?;
        observers.send(&Event::CheckpointSaved { seed: self.seed, epoch: self.progress.epoch, kind: "last".to_owned() })
    }

    /// Loads the best checkpoint into the network. Training cannot go on afterwards.
    ///
    /// # Errors
    /// When there is none that can be used.
    pub fn into_best(self) -> Result<BestNetwork<'a>, TrainError> {
        let best = self.progress.best.map(|best| best.epoch);
        let progress = self.checkpoints.load_best(best, &self.model_state())?;
        Ok(BestNetwork { seed_run: self, epoch: progress.epoch })
    }

    fn predictor(&self) -> Predictor<'_> {
        Predictor {
            net: &self.net,
            losses: &self.losses,
            tasks: &self.data.tasks,
            device: self.device,
            batch_size: self.experiment.train.predict_batch_size.unwrap_or_else(|| {
                let values = self.val_assembler.shape().len().max(1);
                (PREDICTED_VALUES / values).clamp(1, 512)
            }),
            seed: self.seed,
        }
    }

    fn swap_average(&mut self) -> Result<(), TrainError> {
        if let Some(average) = &mut self.average {
            average.swap(&self.state)?;
        }
        Ok(())
    }

    fn model_state(&self) -> Vec<(&'static str, Vec<(String, Tensor)>)> {
        vec![("model", self.state.iter().map(share).collect())]
    }

    fn full_state(&self) -> Vec<(&'static str, Vec<(String, Tensor)>)> {
        let mut groups = self.model_state();
        groups.push(("optimizer", self.optimizer.state()));
        if let Some(average) = &self.average {
            groups.push(("average", average.state()));
        }
        groups
    }
}

/// A finished seed run with the network that validation chose.
pub struct BestNetwork<'a> {
    seed_run: SeedRun<'a>,
    epoch: usize,
}

impl BestNetwork<'_> {
    /// Why training ended before its last epoch, if it did.
    pub fn stopped(&self) -> Option<&str> {
        self.seed_run.progress.stopped.as_deref()
    }

    /// Epochs finished when it was chosen.
    pub fn epoch(&self) -> usize {
        self.epoch
    }

    /// Predicts validation again, to be written beside the test predictions; `None` when a stop was asked for.
    ///
    /// # Errors
    /// What the network says.
    pub fn predict_validation(
        &self,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        self.seed_run.predict_validation(observers, stop)
    }

    /// Predicts test images; `None` when a stop was asked for. Their labels are not here.
    ///
    /// # Errors
    /// What the network says.
    pub fn predict_test(
        &self,
        images: &SplitSources,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Vec<Prediction>>, TrainError> {
        let assembler = images.assembler(self.seed_run.experiment, self.seed_run.seed)?;
        self.seed_run.predictor().predict(images.split(), &assembler, &images.rows(), None, observers, stop)
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

fn figures(result: &ScoreSet, losses: &[Option<f64>]) -> Vec<TaskMetrics> {
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

fn share((name, tensor): &(String, Tensor)) -> (String, Tensor) {
    (name.clone(), tensor.shallow_clone())
}
