//! A finished run, and the networks that it teaches with.

use std::collections::BTreeMap;
use std::path::Path;

use medley_core::record::{Manifest, RunResults, TeacherRecord};
use medley_core::{RunLayout, TaskSpec};
use medley_models::{BuildOptions, ComputePlan, MultiTaskNet};
use medley_predictions::record::{read_manifest, read_results};
use tch::no_grad_guard;

use super::misfit;
use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::components::losses::LossChoice;
use crate::config::{RawExperiment, recorded};
use crate::data::INPUT_CHANNELS;
use crate::run_folder::RunFolder;

/// One network that teaches.
pub struct Teacher {
    layout: RunLayout,
    manifest: Manifest,
    raw: RawExperiment,
    pub(super) record: TeacherRecord,
    /// Values of its parameters and running statistics.
    pub(super) values: u64,
}

impl Teacher {
    /// What it counts for in a task; `None` where it has no part in it.
    pub fn weight(&self, task: &str) -> Option<f64> {
        self.record.weights.get(task).copied()
    }

    /// The loss that it was trained with: that says how its logits are meant.
    pub(crate) fn loss(&self, task: &str) -> &LossChoice {
        &self.raw.loss.of(task).choice
    }

    /// Its network, with the weights that were recorded.
    ///
    /// # Errors
    /// When its checkpoint cannot be used, or is not the one that was recorded.
    pub(crate) fn load(&self, plan: ComputePlan) -> Result<MultiTaskNet, TrainError> {
        let _guard = no_grad_guard();
        let net = build(&self.raw, &self.manifest, plan)?;
        let state: Vec<_> = net.parameters().into_iter().chain(net.buffers()).collect();
        let TeacherRecord { seed, phase, .. } = &self.record;
        let found = CheckpointFolder::of_stage(&self.layout, *seed, phase.as_deref()).read_model("best", &state)?;
        if found.sha256 != self.record.sha256 {
            return Err(misfit(self.layout.root(), "its network has changed since this run began".to_owned()));
        }
        for (name, tensor) in &state {
            match found.tensors.get(name).filter(|source| source.size() == tensor.size()) {
                Some(source) => tensor.shallow_clone().f_copy_(source)?,
                None => {
                    return Err(misfit(self.layout.root(), format!("its checkpoint does not fit its config: {name}")));
                }
            }
        }
        Ok(net)
    }
}

/// A finished run.
pub(super) struct Finished {
    layout: RunLayout,
    pub(super) manifest: Manifest,
    pub(super) raw: RawExperiment,
    results: RunResults,
}

impl Finished {
    pub(super) fn open(root: &Path) -> Result<Self, TrainError> {
        RunFolder::check(root)?;
        let layout = RunLayout::new(root);
        let manifest = read_manifest(&layout)?;
        let unfinished = || misfit(root, "it is not finished; `medley resume` finishes it first".to_owned());
        let results = read_results(&layout, &manifest).map_err(TrainError::Results)?.ok_or_else(unfinished)?;
        let raw = recorded(&layout.config())?;
        Ok(Self { layout, manifest, raw, results })
    }

    /// The networks by which a seed predicts these tasks: one, unless a later phase has left others.
    pub(super) fn networks(
        &self,
        seed: u64,
        weights: &BTreeMap<String, f64>,
        student_size: usize,
    ) -> Result<Vec<Teacher>, TrainError> {
        let fine_tuned = self.results.seeds.iter().find(|result| result.seed == seed).map(|result| &result.fine_tuned);
        let mut by_stage: BTreeMap<Option<String>, BTreeMap<String, f64>> = BTreeMap::new();
        for (task, &weight) in weights {
            let stage = fine_tuned.and_then(|all| all.get(task)).map(|one| one.stage.clone());
            by_stage.entry(stage).or_default().insert(task.clone(), weight);
        }
        let image_size = Some(self.raw.data.size).filter(|&size| size != student_size);
        by_stage.into_iter().map(|(stage, weights)| self.network(seed, stage, weights, image_size)).collect()
    }

    fn network(
        &self,
        seed: u64,
        phase: Option<String>,
        weights: BTreeMap<String, f64>,
        image_size: Option<usize>,
    ) -> Result<Teacher, TrainError> {
        let Self { layout, manifest, raw, .. } = self;
        let outline = build_outline(raw, manifest)?;
        let state: Vec<_> = outline.parameters().into_iter().chain(outline.buffers()).collect();
        let found = CheckpointFolder::of_stage(layout, seed, phase.as_deref()).read_model("best", &state)?;
        let folder = std::path::absolute(layout.root()).ok().and_then(|path| path.into_os_string().into_string().ok());
        let (epoch, sha256) = (found.epoch, found.sha256);
        let result = self.results.seeds.iter().find(|result| result.seed == seed);
        let tasks = result.into_iter().flat_map(|result| &result.validation.tasks);
        let validation =
            tasks.filter(|one| weights.contains_key(&one.task)).map(|one| (one.task.clone(), one.macro_f1));
        let validation = validation.collect();
        let run = manifest.run.clone();
        let record = TeacherRecord { run, folder, seed, phase, epoch, image_size, sha256, weights, validation };
        let values = state.iter().map(|(_, tensor)| tensor.numel() as u64).sum();
        Ok(Teacher { layout: layout.clone(), manifest: manifest.clone(), raw: raw.clone(), record, values })
    }
}

fn specs(manifest: &Manifest) -> Vec<TaskSpec> {
    manifest.data.iter().map(|data| data.task.clone()).collect()
}

fn options(raw: &RawExperiment, plan: ComputePlan) -> BuildOptions {
    BuildOptions { plan, seed: 0, input_channels: INPUT_CHANNELS as i64, input_size: raw.data.size as i64 }
}

fn build(raw: &RawExperiment, manifest: &Manifest, plan: ComputePlan) -> Result<MultiTaskNet, TrainError> {
    Ok(MultiTaskNet::build(&raw.net.validated()?, &specs(manifest), &options(raw, plan))?)
}

fn build_outline(raw: &RawExperiment, manifest: &Manifest) -> Result<MultiTaskNet, TrainError> {
    Ok(MultiTaskNet::outline(&raw.net.validated()?, &specs(manifest), &options(raw, ComputePlan::default()))?)
}
