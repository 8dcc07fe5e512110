//! The networks of a seed: that of the joint training, those of later phases, and which of them predicts each task.

use std::collections::BTreeMap;

use medley_core::Scores;
use medley_core::record::{Event, FineTuned};

use super::predictions::as_printed;
use super::{Run, Wanted};
use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::components::callbacks::Callbacks;
use crate::components::selections::{Selected, Validation};
use crate::engine::predict::Prediction;
use crate::engine::{BestNetwork, Outcome, SeedRequest, SeedRun};
use crate::observer::Observers;
use crate::phases::{self, Stage};
use crate::scoring::score_validation;
use crate::stop::StopFlag;

/// What the finished networks say of a seed's images.
pub(super) struct Predicted {
    /// Of the joint training.
    pub(super) best_epoch: usize,
    /// Why that ended, if it did before its last epoch.
    pub(super) stopped: Option<String>,
    /// Tasks that another network predicts.
    pub(super) fine_tuned: BTreeMap<String, FineTuned>,
    /// `None` where the results of validation are kept.
    pub(super) validation: Option<Vec<Scores>>,
    /// `None` where test labels stay shut.
    pub(super) test: Option<Vec<Scores>>,
}

/// The best network of a task so far.
struct Leader {
    selected: Selected,
    scores: Scores,
}

impl Run<'_> {
    /// Trains a seed to its end and predicts each task with the network that validation chose: `kept` of those results that are there
    /// already. `None` when it was interrupted.
    pub(super) fn predict_seed(
        &self,
        seed: u64,
        (wanted, kept): (Wanted, BTreeMap<String, FineTuned>),
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<Predicted>, TrainError> {
        let stages = phases::stages(self.experiment);
        let Some(network) = self.trained(seed, None, true, observers, stop)? else { return Ok(None) };
        let mut predicted = Predicted {
            best_epoch: network.epoch(),
            stopped: network.stopped().map(str::to_owned),
            fine_tuned: kept,
            validation: None,
            test: None,
        };
        let mut joint = Some(network);
        if let Some(network) = joint.as_ref().filter(|_| wanted.validation) {
            let by_loss = !stages.is_empty() && self.experiment.select.name() == "loss";
            let Some(scores) = network.predict_validation(by_loss, observers, stop)? else {
                return self.interrupted(seed, None, observers);
            };
            let mut leaders = Vec::with_capacity(scores.len());
            for (task, prediction) in scores.into_iter().enumerate() {
                leaders.push(self.leader(task, prediction)?);
            }
            // It is trained no more: later networks shall have its memory.
            if !stages.is_empty() {
                joint = None;
            }
            for stage in &stages {
                let Some(network) = self.trained(seed, Some(stage), true, observers, stop)? else { return Ok(None) };
                let Some(scores) = network.predict_validation(by_loss, observers, stop)? else {
                    return self.interrupted(seed, Some(stage), observers);
                };
                for (task, prediction) in network.tasks().into_iter().zip(scores) {
                    let candidate = self.leader(task, prediction)?;
                    if leaders[task].selected.is_beaten_by(&candidate.selected) {
                        leaders[task] = candidate;
                        let chosen = FineTuned { stage: stage.name.clone(), epoch: network.epoch() };
                        predicted.fine_tuned.insert(self.experiment.tasks[task].clone(), chosen);
                    }
                }
            }
            let scores = leaders.iter().map(|leader| as_printed(&leader.scores)).collect::<Result<_, _>>()?;
            predicted.validation = Some(scores);
        }
        if wanted.test {
            // Most runs have one network, which is loaded already.
            let mut all: Vec<Option<Scores>> = self.experiment.tasks.iter().map(|_| None).collect();
            for stage in std::iter::once(None).chain(stages.iter().map(Some)) {
                let chosen = |task: &String| predicted.fine_tuned.get(task).map(|one| one.stage.as_str());
                let of_stage = stage.map(|stage| stage.name.as_str());
                let tasks: Vec<bool> = self.experiment.tasks.iter().map(|task| chosen(task) == of_stage).collect();
                if !tasks.contains(&true) {
                    continue;
                }
                let network = match joint.take().filter(|_| stage.is_none()) {
                    Some(joint) => Some(joint),
                    None => self.trained(seed, stage, false, observers, stop)?,
                };
                let Some(network) = network else { return Ok(None) };
                let Some(scores) = network.predict_test(&self.prepared.test.images, observers, stop)? else {
                    return self.interrupted(seed, stage, observers);
                };
                for (task, prediction) in network.tasks().into_iter().zip(scores) {
                    if tasks[task] {
                        all[task] = Some(as_printed(&prediction.scores)?);
                    }
                }
            }
            predicted.test = all.into_iter().collect();
        }
        Ok(Some(predicted))
    }

    /// Trains one network to its end, or finds that it has been; `None` when it was interrupted. `first` is whether this process has not
    /// had it before, and says so.
    fn trained<'s>(
        &'s self,
        seed: u64,
        stage: Option<&'s Stage>,
        first: bool,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<BestNetwork<'s>>, TrainError> {
        let mut seed_run = SeedRun::new(self.seed_request(seed, stage))?;
        if stage.is_none() && first {
            observers.send(&Event::SeedStarted { seed, parameters: seed_run.parameter_count() })?;
        }
        for skipped in seed_run.skipped_checkpoints().iter().filter(|_| first) {
            observers.send(&Event::Warning { message: format!("a checkpoint is not used: {skipped}") })?;
        }
        if seed_run.train(observers, stop)? == Outcome::Interrupted {
            let epoch = stage.map_or(0, |stage| stage.first_epoch) + seed_run.progress().epoch;
            observers.send(&Event::RunInterrupted { seed, epoch })?;
            return Ok(None);
        }
        seed_run.into_best().map(Some)
    }

    /// Says that a stop was asked for after the training of a network.
    fn interrupted<T>(
        &self,
        seed: u64,
        stage: Option<&Stage>,
        observers: &mut Observers,
    ) -> Result<Option<T>, TrainError> {
        let name = stage.map(|stage| stage.name.as_str());
        let newest = CheckpointFolder::of_stage(self.layout(), seed, name).newest();
        let epoch = stage.map_or(0, |stage| stage.first_epoch) + newest.map_or(0, |progress| progress.epoch);
        observers.send(&Event::RunInterrupted { seed, epoch })?;
        Ok(None)
    }

    /// Scores a network on one task, as epochs are selected.
    fn leader(&self, task: usize, Prediction { scores, loss }: Prediction) -> Result<Leader, TrainError> {
        let learning = &self.prepared.learning;
        let of = |range: usize| range..=range;
        let set =
            score_validation(&learning.tasks[of(task)], &learning.val_labels[of(task)], std::slice::from_ref(&scores))?;
        let validation = Validation { scores: &set, loss: loss.unwrap_or(f64::NAN) };
        Ok(Leader { selected: Selected::new(&*self.experiment.select.choice, &validation), scores })
    }

    pub(super) fn seed_request<'s>(&'s self, seed: u64, stage: Option<&'s Stage>) -> SeedRequest<'s> {
        SeedRequest {
            experiment: stage.map_or(self.experiment, |stage| &stage.experiment),
            data: &self.prepared.learning,
            seed,
            plan: self.plan,
            pretrained: self.pretrained.as_ref(),
            teachers: Some(&self.teachers),
            parent: self.folder.manifest().parent.as_ref(),
            run: self.layout(),
            storage: &self.storage,
            // Those of the caller see the joint training: scores of later phases are of other tasks.
            callbacks: if stage.is_none() { (self.callbacks)(seed) } else { Callbacks::default() },
            stage,
        }
    }

    /// The epochs of a seed that checkpoints hold, as ranges that exclude their start: rows of others are from work that was lost. Of a
    /// seed whose results are kept, all rows stay.
    pub(super) fn finished_epochs(&self, seed: u64) -> Vec<(usize, usize)> {
        if self.files().kept(seed).is_ok_and(|kept| kept.is_some()) {
            return vec![(0, usize::MAX)];
        }
        let of_stage = |name: Option<&str>, first: usize| {
            let newest = CheckpointFolder::of_stage(self.layout(), seed, name).newest();
            (first, first + newest.map_or(0, |progress| progress.epoch))
        };
        let stages = phases::stages(self.experiment);
        let later = stages.iter().map(|stage| of_stage(Some(&stage.name), stage.first_epoch));
        std::iter::once(of_stage(None, 0)).chain(later).collect()
    }
}
