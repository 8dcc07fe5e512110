//! The run of one seed: a network trained with one seed, from its first step (or a checkpoint) to its last.

pub mod average;
mod bad_step;
mod batch_loss;
mod best;
pub(crate) mod buffers;
mod epoch;
mod frozen;
mod moment;
pub mod predict;
pub(crate) mod soup;
mod statistics;
mod step;
mod teaching;
mod whitening;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use medley_augment::BatchAssembler;
use medley_augment::mix::Mixer;
use medley_core::record::{Inheritance, Parent};
use medley_core::{RunLayout, TaskSpec};
use medley_models::{BuildOptions, ComputePlan, MultiTaskNet};
use medley_storage::Storage;
use tch::{Device, Tensor};

pub use self::best::BestNetwork;
use crate::TrainError;
use crate::checkpoint::{Checkpoint, CheckpointError, CheckpointFolder, Frozen, Progress};
use crate::components::callbacks::Callbacks;
use crate::components::losses::TaskLoss;
use crate::components::optimizers::{self, Optimizer, Parameter};
use crate::components::patterns::Patterns;
use crate::components::schedules::LearningRate;
use crate::config::Experiment;
use crate::data::{INPUT_CHANNELS, LearningData};
use crate::distill::Teachers;
use crate::engine::average::MovingAverage;
use crate::engine::bad_step::EpochStart;
use crate::engine::epoch::Throughput;
use crate::engine::predict::Predictor;
use crate::engine::teaching::Teaching;
use crate::observer::Observers;
use crate::parent::{ParentError, ParentRun};
use crate::phases::Stage;
use crate::pretrained::Pretrained;
use crate::sampler::Sampler;
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
    let parameters = parameters(experiment, &net)?;
    frozen::check(experiment, &net, &parameters)?;
    let always = always_frozen(&parameters);
    if !always.is_empty() {
        net.freeze(|name| always.contains(name))?;
    }
    Ok(net)
}

/// The outline of that network, which takes no memory.
///
/// # Errors
/// As [`build_network`].
pub fn outline(experiment: &Experiment, tasks: &[TaskSpec]) -> Result<MultiTaskNet, TrainError> {
    let (input_channels, input_size) = (INPUT_CHANNELS as i64, experiment.data.size as i64);
    let options = BuildOptions { input_channels, input_size, ..BuildOptions::default() };
    Ok(MultiTaskNet::outline(experiment.validated_net(), tasks, &options)?)
}

/// Images that are predicted at once, of so many values as the network sees them.
pub fn predict_batch_size(experiment: &Experiment, values: usize) -> usize {
    experiment.train.predict_batch_size.unwrap_or_else(|| fitting_batch_size(values))
}

/// The same where no config says how many.
fn fitting_batch_size(values: usize) -> usize {
    (PREDICTED_VALUES / values.max(1)).clamp(1, 512)
}

/// The parameters of a network, as the groups of the config treat them.
fn parameters(experiment: &Experiment, net: &MultiTaskNet) -> Result<Vec<Parameter>, TrainError> {
    let assigned = optimizers::assign(&experiment.optimizer, &net.parameters());
    let mut assigned = assigned.map_err(|error| experiment.refuse(&error.key, error.problem))?;
    for one in assigned.iter_mut().filter(|one| one.name == whitening::WEIGHT) {
        one.frozen = true;
    }
    if let Some(phase) = experiment.phase() {
        let patterns = Patterns::new(&phase.frozen);
        for one in &mut assigned {
            one.frozen |= phase.freezes(&one.name, one.tensor.dim()) || patterns.matches(&one.name);
        }
    }
    Ok(assigned)
}

/// Checks the phases of an experiment against the parameters of its network.
pub(crate) fn check_phases(experiment: &Experiment, net: &MultiTaskNet) -> Result<(), TrainError> {
    for (index, phase) in experiment.phases.iter().enumerate() {
        if let Err(error) = Patterns::new(&phase.frozen).check(&net.parameters()) {
            let key = format!("phases[{index}].frozen[{}]", error.index);
            return Err(experiment.refuse(&key, error.problem).into());
        }
        if parameters(&experiment.in_phase(index), net)?.iter().all(|one| one.frozen) {
            let problem = "all parameters are frozen in this phase: nothing is left to train";
            return Err(experiment.refuse(&format!("phases[{index}].frozen"), problem).into());
        }
    }
    Ok(())
}

/// The names of those that the groups of the config freeze.
fn always_frozen(parameters: &[Parameter]) -> BTreeSet<String> {
    parameters.iter().filter(|one| one.frozen).map(|one| one.name.clone()).collect()
}

/// What [`SeedRun::new`] needs to know.
pub struct SeedRequest<'a> {
    /// What to do.
    pub experiment: &'a Experiment,
    /// What is learnt from and validated on.
    pub data: &'a LearningData,
    /// Which seed, of those of the experiment.
    pub seed: u64,
    /// How to compute.
    pub plan: ComputePlan,
    /// The weights that a fresh network starts from.
    pub pretrained: Option<&'a Pretrained>,
    /// The runs that are learnt from.
    pub teachers: Option<&'a Teachers>,
    /// The run that this one began from.
    pub parent: Option<&'a Parent>,
    /// Where checkpoints lie.
    pub run: &'a RunLayout,
    /// What they are written by.
    pub storage: &'a dyn Storage,
    /// Callbacks beside those of the config.
    pub callbacks: Callbacks,
    /// The stage; `None` for the joint training.
    pub stage: Option<&'a Stage>,
}

/// A network in training.
pub struct SeedRun<'a> {
    experiment: &'a Experiment,
    data: &'a LearningData,
    seed: u64,
    device: Device,
    stage: Option<&'a Stage>,
    net: MultiTaskNet,
    state: Vec<(String, Tensor)>,
    losses: Vec<TaskLoss>,
    teaching: Option<Teaching<'a>>,
    optimizer: Box<dyn Optimizer>,
    /// Parameters that the config freezes for good.
    always_frozen: BTreeSet<String>,
    average: Option<MovingAverage>,
    epoch_start: Option<EpochStart>,
    sampler: Sampler,
    mixer: Mixer,
    learning_rate: LearningRate,
    train_assembler: Arc<BatchAssembler>,
    val_assembler: Arc<BatchAssembler>,
    run: RunLayout,
    checkpoints: CheckpointFolder,
    storage: &'a dyn Storage,
    callbacks: Callbacks,
    progress: Progress,
    skipped: Vec<String>,
}

impl<'a> SeedRun<'a> {
    /// A fresh network, started from the pretrained weights if there are any; the newest checkpoint of the run, if there is one, is
    /// loaded into it, and callbacks go on from what they remembered then.
    ///
    /// # Errors
    /// When the network cannot be built, a checkpoint not be used, or callbacks not go on: [`TrainError::Callback`] also where two have
    /// one name, or one is missing that the checkpoint has something of.
    pub fn new(request: SeedRequest<'a>) -> Result<Self, TrainError> {
        let (run, seed, parent, pretrained) = (request.run, request.seed, request.parent, request.pretrained);
        let stage = request.stage;
        let is_fresh = CheckpointFolder::of_stage(run, seed, stage.map(|stage| stage.name.as_str())).is_fresh()?;
        // A stage begins with what the run has trained itself.
        let (experiment, data) = (request.experiment, request.data);
        let (parent, pretrained) = if stage.is_some() { (None, None) } else { (parent, pretrained) };
        if let (Some(parent), true) = (parent, is_fresh) {
            return Err(ParentError::NotBegun { run: run.root().to_owned(), parent: parent.run.clone() }.into());
        }
        let mut seed_run = Self::initialised(request, |net, state| match (stage, pretrained) {
            _ if !is_fresh => Ok(()),
            (Some(stage), _) => {
                let before = CheckpointFolder::of_stage(run, seed, stage.from.as_deref());
                let best = before.newest().and_then(|progress| progress.best).map(|best| best.epoch);
                before.load_best(best, &[("model", state.iter().map(share).collect())])?;
                Ok(())
            }
            (None, Some(pretrained)) => Ok(pretrained.start(net)?),
            (None, None) => whitening::measure(experiment, data, state),
        })?;
        if let Some(checkpoint) = seed_run.checkpoints.find_last(&seed_run.full_state())? {
            seed_run.go_on_from(checkpoint)?;
        } else {
            seed_run.begin()?;
        }
        Ok(seed_run)
    }

    /// Writes the checkpoint that a seed of a run with a parent begins with.
    ///
    /// # Errors
    /// When the parent's checkpoints cannot be used, or the new one cannot be written.
    pub(crate) fn inherit(request: SeedRequest<'a>, parent: &ParentRun) -> Result<(), TrainError> {
        let (how, experiment) = (parent.how(), request.experiment);
        let mut seed_run = Self::initialised(request, |net, state| match how {
            Inheritance::Weights => parent.load_weights(net.options().seed, state),
            Inheritance::WeightsAndOptimizer | Inheritance::Everything => Ok(()),
        })?;
        seed_run.progress.unbegun = true;
        if how != Inheritance::Weights {
            let (_, checkpoints) = parent.checkpoints(seed_run.seed);
            if how == Inheritance::Everything {
                let best = checkpoints.newest().and_then(|progress| progress.best).map(|best| best.epoch);
                let progress = checkpoints.load_best(best, &seed_run.model_state())?;
                seed_run.checkpoints.save_best(seed_run.storage, &progress, &seed_run.model_state())?;
                if experiment.soup.ingredients.is_some() {
                    seed_run.checkpoints.save_ingredient(seed_run.storage, &progress, &seed_run.model_state())?;
                }
            }
            let none = || CheckpointError::None { kind: "last", folder: parent.root().to_owned(), skipped: Vec::new() };
            let last = checkpoints.find_last(&seed_run.live_state())?.ok_or_else(none)?;
            if how == Inheritance::Everything {
                // What was a soup is one network of the longer run's.
                let ingredients = last.progress.best.into_iter().filter(|_| experiment.soup.ingredients.is_some());
                let ingredients = ingredients.collect();
                seed_run.progress = Progress { stopped: None, soup: None, ingredients, ..last.progress.clone() };
                // The longer run may have others, such as no time budget.
                seed_run.callbacks.retain_own(&mut seed_run.progress.callbacks);
            } else {
                // What was frozen there is trained here; the optimizer has counted its steps apart.
                let thawed = |frozen: &Frozen| Frozen { until: Some(0), ..frozen.clone() };
                seed_run.progress.frozen = last.progress.frozen.iter().map(thawed).collect();
            }
            seed_run.freeze()?;
            checkpoints.load(&last, &seed_run.live_state())?;
            seed_run.keep_epoch_start()?;
        }
        seed_run.checkpoints.save_last(seed_run.storage, &seed_run.progress, &seed_run.full_state())?;
        Ok(())
    }

    /// A fresh network and everything around it. `start` may fill the network before anything is made of it.
    fn initialised(
        request: SeedRequest<'a>,
        start: impl FnOnce(&MultiTaskNet, &[(String, Tensor)]) -> Result<(), TrainError>,
    ) -> Result<Self, TrainError> {
        let SeedRequest { experiment, data, seed, plan, run, storage, callbacks: more, teachers, stage, .. } = request;
        let mut callbacks = Callbacks::configured(&experiment.stop, &experiment.freeze, experiment.seed_budget());
        callbacks.extend(more);
        callbacks.check_names()?;
        let net = build_network(experiment, &data.tasks, seed, plan)?;
        let checkpoints = CheckpointFolder::of_stage(run, seed, stage.map(|stage| stage.name.as_str()));
        let state: Vec<_> = net.parameters().into_iter().chain(net.buffers()).collect();
        start(&net, &state)?;
        let losses = (data.tasks.iter().zip(&data.train_labels))
            .map(|(task, labels)| TaskLoss::new(experiment.loss.of(&task.name), task, labels, plan.device))
            .collect();
        let mixer = experiment.mixer(seed)?;
        let sampler = Sampler::of(experiment, seed, &data.train.rows());
        let sampler = match stage.and_then(|stage| stage.task) {
            Some(task) => sampler.only(task),
            None => sampler,
        };
        let steps = sampler.batches_per_epoch() * experiment.train.epochs;
        let parameters = parameters(experiment, &net)?;
        let teachers = teachers.filter(|teachers| !teachers.is_empty());
        let mut seed_run = Self {
            stage,
            epoch_start: None,
            teaching: teachers.map(|teachers| Teaching::load(teachers, &data.tasks, plan)).transpose()?,
            always_frozen: always_frozen(&parameters),
            optimizer: experiment.optimizer.build(parameters, plan.cores(), plan.kind())?,
            average: if experiment.average.choice.is_kept() { Some(MovingAverage::new(&state)?) } else { None },
            learning_rate: LearningRate::new(&experiment.schedule, experiment.optimizer.learning_rate, steps),
            train_assembler: data.train.assembler(experiment, seed)?,
            val_assembler: data.val.assembler(experiment, seed)?,
            run: run.clone(),
            checkpoints,
            callbacks,
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
            mixer,
            storage,
        };
        seed_run.keep_epoch_start()?;
        seed_run.checkpoints.sweep()?;
        Ok(seed_run)
    }

    /// Asks the callbacks how the first epoch shall be.
    fn begin(&mut self) -> Result<(), TrainError> {
        let decision = self.callbacks.begin()?;
        self.progress.unbegun = false;
        self.progress.learning_rate = decision.learning_rate;
        self.change_frozen(decision.frozen, 0)?;
        self.keep_epoch_start()
    }

    /// Takes over everything from a checkpoint.
    fn go_on_from(&mut self, checkpoint: Checkpoint) -> Result<(), TrainError> {
        let Progress { stretches, epoch, .. } = &checkpoint.progress;
        if stretches.as_ref().is_some_and(|stretches| !self.sampler.can_take(stretches, *epoch)) {
            let problem = "its `stretches` are not those of an epoch of this experiment".to_owned();
            return Err(CheckpointError::BadState { path: checkpoint.path, problem }.into());
        }
        let weights = checkpoint.progress.task_weights.as_ref();
        if weights.is_some_and(|weights| !weights.is_of(self.data.tasks.len())) {
            let problem = "its `task_weights` are of another number of tasks".to_owned();
            return Err(CheckpointError::BadState { path: checkpoint.path, problem }.into());
        }
        self.progress = checkpoint.progress.clone();
        if !self.progress.frozen.is_empty() {
            // Before its tensors are loaded, among which are those of the optimizer for what was frozen.
            self.freeze()?;
            self.keep_epoch_start()?;
        }
        self.checkpoints.load(&checkpoint, &self.full_state())?;
        self.checkpoints.remove_surplus(&self.progress)?;
        self.skipped = checkpoint.skipped;
        if !self.is_finished() {
            let lasting = self.progress.frozen.iter().filter(|frozen| frozen.until.is_none()).map(|frozen| &frozen.by);
            self.callbacks.check_complete(self.progress.callbacks.keys().chain(lasting))?;
        }
        self.callbacks.load_state(&self.progress.callbacks)?;
        if self.progress.unbegun { self.begin() } else { Ok(()) }
    }

    /// An epoch of this stage, counted over all stages of the seed.
    fn over_all(&self, epoch: usize) -> usize {
        self.stage.map_or(0, |stage| stage.first_epoch) + epoch
    }

    /// The tasks that it is of, by number.
    fn own_tasks(&self) -> Vec<usize> {
        match self.stage.and_then(|stage| stage.task) {
            Some(task) => vec![task],
            None => (0..self.data.tasks.len()).collect(),
        }
    }

    /// The rows of a split that are predicted: none of other tasks.
    fn own_rows(&self, mut rows: Vec<usize>) -> Vec<usize> {
        let own = self.own_tasks();
        rows.iter_mut().enumerate().filter(|(task, _)| !own.contains(task)).for_each(|(_, rows)| *rows = 0);
        rows
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
                // The steps of the epoch are done, and its validation is not: that is where it goes on.
                self.save_last(observers)?;
                return Ok(Outcome::Interrupted);
            }
            if stop.requested() && !self.is_finished() {
                return Ok(Outcome::Interrupted);
            }
        }
        Ok(if self.make_soup(observers, stop)? { Outcome::Finished } else { Outcome::Interrupted })
    }

    fn is_finished(&self) -> bool {
        self.progress.epoch >= self.experiment.train.epochs || self.progress.stopped.is_some()
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
            batch_size: predict_batch_size(self.experiment, self.net.input_values()),
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

    /// All tensors that a checkpoint holds.
    fn full_state(&self) -> Vec<(&'static str, Vec<(String, Tensor)>)> {
        let mut groups = self.live_state();
        groups.extend(self.epoch_start.iter().flat_map(EpochStart::state));
        groups
    }

    /// What training changes.
    fn live_state(&self) -> Vec<(&'static str, Vec<(String, Tensor)>)> {
        let mut groups = self.model_state();
        groups.push(("optimizer", self.optimizer.state()));
        if let Some(average) = &self.average {
            groups.push(("average", average.state()));
        }
        groups
    }
}

fn share((name, tensor): &(String, Tensor)) -> (String, Tensor) {
    (name.clone(), tensor.shallow_clone())
}
