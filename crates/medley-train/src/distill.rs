//! Distillation: a network that learns from what others say as well as from labels.
//!
//! `[distill] teachers` names finished runs, or ensembles of such. Each seed of a run is a teacher of the tasks that it was trained on, so
//! that eleven networks of a task each can teach one of eleven tasks. What a teacher may have learnt from must be what the student
//! learns from: the same files and folds, or its knowledge of validation rows would pass into the student and be measured there. That is
//! checked before a run folder is made. The manifest records each network with its SHA-256, and a run goes on with the very same ones.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use medley_core::record::{DataRecord, FoldsRecord, Manifest, RunResults, TeacherRecord};
use medley_core::{RunLayout, TaskSpec};
use medley_models::{BuildOptions, ComputePlan, MultiTaskNet};
use medley_predictions::record::{read_manifest, read_results};
use medley_storage::{ConfinedFolder, Shown};
use serde::Deserialize;
use tch::no_grad_guard;

use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::components::losses::LossChoice;
use crate::config::{Experiment, RawExperiment, recorded};
use crate::data::{INPUT_CHANNELS, Prepared};
use crate::run_folder::RunFolder;

/// The record of an ensemble, and the largest that is read.
const ENSEMBLE: (&str, u64) = ("ensemble.json", 64 << 20);

medley_core::keys! {
    /// `[distill]`: what teachers say of each batch, as it is augmented and mixed, is learnt beside the labels (Hinton et al., 2015;
    /// Beyer et al., *Knowledge Distillation: A Good Teacher Is Patient and Consistent*, 2022).
    pub struct DistillConfig {
        /// Folders of finished runs, or of ensembles whose runs lie beside them; left out, there are none. Each counts alike, with the mean over its
        /// seeds, or by the weights of the ensemble. They need the same data files and folds, and some of the same tasks.
        teachers: Vec<String> = Vec::new();
        /// What logits of teachers and student are divided by before they are compared.
        temperature: f64 = 2.0, in 0.1..=100.0;
        /// Share of the teachers in the loss; the rest is the loss of the labels.
        weight: f64 = 0.5, in 0.0..=1.0;
        /// The tasks that are taught; left out, all that a teacher knows.
        tasks: Option<Vec<String>> = None;
        /// Whether a task is taught only while its teachers know better: in an epoch before which the student's macro-F1 on the validation split
        /// was above the mean of what their runs reached there, it learns from the labels alone.
        gate: bool = false;
    }
}

/// Why a run cannot learn from another one.
#[derive(Debug, thiserror::Error)]
pub enum DistillError {
    /// It does not pair with the student.
    #[error("`distill.teachers`: cannot learn from `{}`: {problem}", Shown(teacher))]
    Misfit {
        /// Its folder.
        teacher: PathBuf,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// A task that is to be taught is known to none.
    #[error("`distill.tasks`: no teacher knows {task}; leave it out, or add a run that was trained on it")]
    Untaught {
        /// Its name.
        task: String,
    },
    /// The teachers are not those that the run began with.
    #[error(
        "the teachers of `{}` are not those that it began with (its manifest has their SHA-256): restore those of `distill.teachers`",
        Shown(run)
    )]
    Changed {
        /// The run's folder.
        run: PathBuf,
    },
}

/// The parts of an ensemble's record that are needed.
#[derive(Deserialize)]
struct Ensemble {
    tasks: Vec<EnsembleTask>,
}

#[derive(Deserialize)]
struct EnsembleTask {
    task: String,
    members: Vec<EnsembleMember>,
    weighed: EnsembleWeights,
}

#[derive(Deserialize)]
struct EnsembleMember {
    run: String,
    seed: u64,
}

#[derive(Deserialize)]
struct EnsembleWeights {
    weights: Vec<f64>,
}

/// One network that teaches.
pub struct Teacher {
    layout: RunLayout,
    manifest: Manifest,
    raw: RawExperiment,
    record: TeacherRecord,
    /// Values of its parameters and running statistics.
    values: u64,
}

/// All networks that teach.
#[derive(Default)]
pub struct Teachers {
    networks: Vec<Teacher>,
}

/// What a teacher must fit.
struct Student<'a> {
    wanted: BTreeSet<&'a str>,
    prepared: &'a Prepared,
    folds: Option<FoldsRecord>,
}

impl Teachers {
    /// Opens the teachers of an experiment and checks that they fit its data.
    ///
    /// # Errors
    /// [`DistillError`] for those that do not; what is wrong with their folders.
    pub(crate) fn open(experiment: &Experiment, prepared: &Prepared) -> Result<Self, TrainError> {
        let config = &experiment.distill;
        let all = experiment.tasks.iter().map(String::as_str);
        let student = Student {
            wanted: match &config.tasks {
                Some(tasks) => tasks.iter().map(String::as_str).collect(),
                None => all.collect(),
            },
            prepared,
            folds: prepared.folds_record(experiment),
        };
        let mut networks = Vec::new();
        for teacher in &config.teachers {
            let root = Path::new(teacher);
            let found = if root.join(ENSEMBLE.0).symlink_metadata().is_ok() {
                student.open_ensemble(root)?
            } else {
                student.open_run(root)?
            };
            networks.extend(found);
        }
        if !config.gate {
            // What does not matter may change.
            for teacher in &mut networks {
                teacher.record.validation.clear();
            }
        }
        let teachers = Self { networks };
        if !config.teachers.is_empty() {
            for task in config.tasks.iter().flatten() {
                if teachers.iter().all(|teacher| teacher.weight(task).is_none()) {
                    return Err(DistillError::Untaught { task: task.clone() }.into());
                }
            }
        }
        Ok(teachers)
    }

    /// The same, of a run that began with them.
    ///
    /// # Errors
    /// [`DistillError::Changed`], and as [`Self::open`].
    pub(crate) fn reopen(
        experiment: &Experiment,
        prepared: &Prepared,
        run: &Path,
        manifest: &Manifest,
    ) -> Result<Self, TrainError> {
        let teachers = Self::open(experiment, prepared)?;
        // Folders may have moved.
        let plain = |record: &TeacherRecord| TeacherRecord { folder: None, ..record.clone() };
        let (now, then) = (teachers.iter().map(|one| plain(&one.record)), manifest.teachers.iter().map(plain));
        if now.eq(then) { Ok(teachers) } else { Err(DistillError::Changed { run: run.to_owned() }.into()) }
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Teacher> {
        self.networks.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// The mean validation macro-F1 of those that teach a task, by their weights; `None` where it does not matter, or none teaches it.
    pub(crate) fn validation(&self, task: &str) -> Option<f64> {
        let known = self.iter().filter_map(|one| one.weight(task).zip(one.record.validation.get(task)));
        let (sum, total) =
            known.fold((0.0, 0.0), |(sum, total), (weight, score)| (sum + weight * score, total + weight));
        (total > 0.0).then(|| sum / total)
    }

    /// For the manifest.
    pub fn records(&self) -> Vec<TeacherRecord> {
        self.iter().map(|teacher| teacher.record.clone()).collect()
    }

    /// Values that all networks together hold.
    pub(crate) fn values(&self) -> u64 {
        self.iter().map(|teacher| teacher.values).sum()
    }
}

impl Student<'_> {
    /// Each seed of a run, with equal weights.
    fn open_run(&self, root: &Path) -> Result<Vec<Teacher>, TrainError> {
        let run = Finished::open(root)?;
        let manifest = &run.manifest;
        let shared = self.shared(root, manifest)?;
        if shared.is_empty() {
            let tasks: Vec<&str> = manifest.data.iter().map(|data| data.task.name.as_str()).collect();
            return Err(misfit(root, format!("it knows {}, and none of that is to be taught", tasks.join(", "))));
        }
        let weight = 1.0 / manifest.seeds.len().max(1) as f64;
        let weights: BTreeMap<String, f64> = shared.into_iter().map(|task| (task, weight)).collect();
        let mut networks = Vec::new();
        for &seed in &manifest.seeds {
            networks.extend(run.networks(seed, &weights)?);
        }
        Ok(networks)
    }

    /// The members of an ensemble that weigh something in a task that is to be taught.
    fn open_ensemble(&self, root: &Path) -> Result<Vec<Teacher>, TrainError> {
        let bytes = ConfinedFolder::new(root).read_file(&root.join(ENSEMBLE.0), ENSEMBLE.1)?;
        let ensemble: Ensemble =
            serde_json::from_slice(&bytes).map_err(|error| misfit(root, format!("{} is bad: {error}", ENSEMBLE.0)))?;
        let mut members: BTreeMap<(String, u64), BTreeMap<String, f64>> = BTreeMap::new();
        for EnsembleTask { task, members: of_task, weighed } in ensemble.tasks {
            if of_task.len() != weighed.weights.len() {
                return Err(misfit(root, format!("{} has no weight for each member of {task}", ENSEMBLE.0)));
            }
            for (member, weight) in of_task.into_iter().zip(weighed.weights) {
                if weight > 0.0 && weight.is_finite() && self.wanted.contains(task.as_str()) {
                    members.entry((member.run, member.seed)).or_default().insert(task.clone(), weight);
                }
            }
        }
        if members.is_empty() {
            return Err(misfit(root, "it knows none of the tasks that are to be taught".to_owned()));
        }
        let beside = root.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut teachers = Vec::new();
        for ((run, seed), weights) in members {
            if Path::new(&run).components().count() != 1 || run.starts_with('.') {
                return Err(misfit(root, format!("{} names {run:?}, which is no run", ENSEMBLE.0)));
            }
            let folder = beside.join(&run);
            let run = Finished::open(&folder)?;
            let shared = self.shared(&folder, &run.manifest)?;
            if let Some(task) = weights.keys().find(|task| !shared.contains(*task)) {
                return Err(misfit(&folder, format!("it is to teach {task}, which it does not know")));
            }
            if !run.manifest.seeds.contains(&seed) {
                return Err(misfit(&folder, format!("it has no seed {seed}")));
            }
            teachers.extend(run.networks(seed, &weights)?);
        }
        Ok(teachers)
    }

    /// The tasks that a run can teach, whose data are those of the student.
    fn shared(&self, root: &Path, manifest: &Manifest) -> Result<BTreeSet<String>, TrainError> {
        let place = |folds: &Option<FoldsRecord>| folds.as_ref().map(|folds| (folds.count, folds.index, folds.repeat));
        if place(&self.folds) != place(&manifest.folds) {
            let said = |folds: &Option<FoldsRecord>| match place(folds) {
                Some((count, index, repeat)) => format!("fold {index} of {count} (repeat {repeat})"),
                None => "the validation split of the file".to_owned(),
            };
            let (theirs, ours) = (said(&manifest.folds), said(&self.folds));
            let problem = format!(
                "it left out {theirs}, and this run leaves out {ours}: it would have learnt from validation rows"
            );
            return Err(misfit(root, problem));
        }
        let records = &self.prepared.records;
        let mut shared = BTreeSet::new();
        let statistics = self.prepared.learning.train.normalisations();
        for (own, statistics) in records.iter().zip(statistics) {
            let name = &own.task.name;
            let Some(theirs) = manifest.data.iter().find(|data| data.task.name == *name) else { continue };
            if !self.wanted.contains(name.as_str()) {
                continue;
            }
            if let Some(problem) = pairs(own, theirs) {
                return Err(misfit(root, problem));
            }
            let groups = |folds: &Option<FoldsRecord>| folds.as_ref().and_then(|folds| folds.groups.get(name).cloned());
            if groups(&self.folds) != groups(&manifest.folds) {
                return Err(misfit(root, format!("other rows of {name} belong together (`folds.groups`)")));
            }
            if manifest.normalisation.get(name).is_some_and(|theirs| *theirs != statistics) {
                let problem = format!("it normalises the pixels of {name} otherwise; give both the same [data] table");
                return Err(misfit(root, problem));
            }
            shared.insert(name.clone());
        }
        Ok(shared)
    }
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
struct Finished {
    layout: RunLayout,
    manifest: Manifest,
    raw: RawExperiment,
    results: RunResults,
}

impl Finished {
    fn open(root: &Path) -> Result<Self, TrainError> {
        RunFolder::check(root)?;
        let layout = RunLayout::new(root);
        let manifest = read_manifest(&layout)?;
        let unfinished = || misfit(root, "it is not finished; `medley resume` finishes it first".to_owned());
        let results = read_results(&layout, &manifest).map_err(TrainError::Results)?.ok_or_else(unfinished)?;
        let raw = recorded(&layout.config())?;
        Ok(Self { layout, manifest, raw, results })
    }

    /// The networks by which a seed predicts these tasks: one, unless a later phase has left others.
    fn networks(&self, seed: u64, weights: &BTreeMap<String, f64>) -> Result<Vec<Teacher>, TrainError> {
        let fine_tuned = self.results.seeds.iter().find(|result| result.seed == seed).map(|result| &result.fine_tuned);
        let mut by_stage: BTreeMap<Option<String>, BTreeMap<String, f64>> = BTreeMap::new();
        for (task, &weight) in weights {
            let stage = fine_tuned.and_then(|all| all.get(task)).map(|one| one.stage.clone());
            by_stage.entry(stage).or_default().insert(task.clone(), weight);
        }
        by_stage.into_iter().map(|(stage, weights)| self.network(seed, stage, weights)).collect()
    }

    fn network(&self, seed: u64, phase: Option<String>, weights: BTreeMap<String, f64>) -> Result<Teacher, TrainError> {
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
        let record =
            TeacherRecord { run: manifest.run.clone(), folder, seed, phase, epoch, sha256, weights, validation };
        let values = state.iter().map(|(_, tensor)| tensor.numel() as u64).sum();
        Ok(Teacher { layout: layout.clone(), manifest: manifest.clone(), raw: raw.clone(), record, values })
    }
}

fn misfit(teacher: &Path, problem: String) -> TrainError {
    DistillError::Misfit { teacher: teacher.to_owned(), problem }.into()
}

/// Why the data of a task are not the student's, if they are not.
fn pairs(own: &DataRecord, theirs: &DataRecord) -> Option<String> {
    let name = &own.task.name;
    if theirs.difference(&own.sha256).is_some() {
        let (theirs, ours) = (&theirs.file, &own.file);
        return Some(format!(
            "its {name} was another file (`{theirs}`) than `{ours}`, by their SHA-256: rows do not pair"
        ));
    }
    let differs = |a: &TaskSpec, b: &TaskSpec| a.classes != b.classes || a.kind != b.kind;
    differs(&own.task, &theirs.task).then(|| format!("its classes of {name} are others"))
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
