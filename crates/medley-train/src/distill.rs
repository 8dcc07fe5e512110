//! Distillation: a network that learns from what others say as well as from labels.
//!
//! `[distill] teachers` names finished runs, or ensembles of such. Each seed of a run is a teacher of the tasks that it was trained on, so
//! that eleven networks of a task each can teach one of eleven tasks. What a teacher may have learnt from must be what the student
//! learns from: the same files and folds, or its knowledge of validation rows would pass into the student and be measured there. That is
//! checked before a run folder is made. The manifest records each network with its SHA-256, and a run goes on with the very same ones.
//!
//! A teacher may have learnt from images of another size than the student sees (`breastmnist_64.npz`): then both files must be of the same
//! rows in the same order, which is checked by labels and pixels.

mod pairing;
mod teacher;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use medley_core::TaskSpec;
use medley_core::record::{DataRecord, FoldsRecord, Manifest, TeacherRecord};
use medley_storage::{ConfinedFolder, Shown};
use serde::Deserialize;
use tch::Tensor;

use self::teacher::Finished;
pub use self::teacher::Teacher;
use crate::TrainError;
use crate::config::Experiment;
use crate::data::{LearningData, Prepared, SplitSources};
use crate::folds;

/// The record of an ensemble, and the largest that is read.
const ENSEMBLE: (&str, u64) = ("ensemble.json", 64 << 20);

medley_core::keys! {
    /// `[distill]`: what teachers say of each batch, as it is augmented and mixed, is learnt beside the labels (Hinton et al., 2015;
    /// Beyer et al., *Knowledge Distillation: A Good Teacher Is Patient and Consistent*, 2022).
    pub struct DistillConfig {
        /// Folders of finished runs, or of ensembles whose runs lie beside them; left out, there are none. Each counts alike, with the mean over its
        /// seeds, or by the weights of the ensemble. They need the same data files and folds, and some of the same tasks. Those of another
        /// `data.size` need its files too, of the same rows in the same order; they say once what they see in each training image as it is.
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

/// All networks that teach.
#[derive(Default)]
pub struct Teachers {
    networks: Vec<Teacher>,
    others: OtherSizes,
    /// What teachers of other sizes have said of all training rows, `[rows, C]` f32, by their number and the task.
    answers: Mutex<BTreeMap<(usize, String), Tensor>>,
}

/// Training images of other sizes than the student's, by edge length, with their tasks.
type OtherSizes = BTreeMap<usize, (Vec<String>, SplitSources)>;

/// Opens some tasks of an experiment in images of another size: the same folds and part of the rows.
type OpenAtSize<'a> = dyn Fn(usize, Vec<String>) -> Result<Prepared, TrainError> + 'a;

/// What a teacher must fit.
struct Student<'a> {
    wanted: BTreeSet<&'a str>,
    size: usize,
    prepared: &'a Prepared,
    folds: Option<FoldsRecord>,
    open: &'a OpenAtSize<'a>,
    others: OtherSizes,
    /// Data of other sizes that have been opened and compared, by their tasks.
    opened: BTreeMap<(usize, Vec<String>), Prepared>,
}

impl Teachers {
    /// Opens the teachers of an experiment and checks that they fit its data.
    ///
    /// # Errors
    /// [`DistillError`] for those that do not; what is wrong with their folders.
    pub(crate) fn open(
        experiment: &Experiment,
        prepared: &Prepared,
        open: &OpenAtSize<'_>,
    ) -> Result<Self, TrainError> {
        let config = &experiment.distill;
        let all = experiment.tasks.iter().map(String::as_str);
        let mut student = Student {
            wanted: match &config.tasks {
                Some(tasks) => tasks.iter().map(String::as_str).collect(),
                None => all.collect(),
            },
            size: experiment.data.size,
            prepared,
            folds: prepared.folds_record(experiment),
            open,
            others: OtherSizes::new(),
            opened: BTreeMap::new(),
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
        let others = student.others;
        let teachers = Self { networks, others, answers: Mutex::default() };
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
        open: &OpenAtSize<'_>,
        run: &Path,
        manifest: &Manifest,
    ) -> Result<Self, TrainError> {
        let teachers = Self::open(experiment, prepared, open)?;
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

    /// Bytes of the training images that they look at in the student's place.
    pub(crate) fn image_bytes(&self) -> u64 {
        self.others.values().map(|(_, images)| images.bytes()).sum()
    }

    /// What a teacher has said of the training rows of a task; `ask` is called the first time, and may give up.
    pub(crate) fn answer(
        &self,
        number: usize,
        task: &str,
        ask: impl FnOnce() -> Result<Option<Tensor>, TrainError>,
    ) -> Result<Option<Tensor>, TrainError> {
        let key = (number, task.to_owned());
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        if !answers.contains_key(&key) {
            let Some(answer) = ask()? else { return Ok(None) };
            answers.insert(key.clone(), answer);
        }
        Ok(answers.get(&key).map(Tensor::shallow_clone))
    }

    /// The tasks and training images of a size that is not the student's, where a teacher has learnt from such.
    pub(crate) fn images_for(&self, teacher: &Teacher) -> Option<&(Vec<String>, SplitSources)> {
        self.others.get(&teacher.record.image_size?)
    }
}

impl Student<'_> {
    /// Each seed of a run, with equal weights.
    fn open_run(&mut self, root: &Path) -> Result<Vec<Teacher>, TrainError> {
        let run = Finished::open(root)?;
        let manifest = &run.manifest;
        let shared = self.shared(root, &run)?;
        if shared.is_empty() {
            let tasks: Vec<&str> = manifest.data.iter().map(|data| data.task.name.as_str()).collect();
            return Err(misfit(root, format!("it knows {}, and none of that is to be taught", tasks.join(", "))));
        }
        let weight = 1.0 / manifest.seeds.len().max(1) as f64;
        let weights: BTreeMap<String, f64> = shared.into_iter().map(|task| (task, weight)).collect();
        let mut networks = Vec::new();
        for &seed in &manifest.seeds {
            networks.extend(run.networks(seed, &weights, self.size)?);
        }
        Ok(networks)
    }

    /// The members of an ensemble that weigh something in a task that is to be taught.
    fn open_ensemble(&mut self, root: &Path) -> Result<Vec<Teacher>, TrainError> {
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
            let shared = self.shared(&folder, &run)?;
            if let Some(task) = weights.keys().find(|task| !shared.contains(*task)) {
                return Err(misfit(&folder, format!("it is to teach {task}, which it does not know")));
            }
            if !run.manifest.seeds.contains(&seed) {
                return Err(misfit(&folder, format!("it has no seed {seed}")));
            }
            teachers.extend(run.networks(seed, &weights, self.size)?);
        }
        Ok(teachers)
    }

    /// The tasks that a run can teach, whose data are those of the student, or of the same rows in another size.
    fn shared(&mut self, root: &Path, run: &Finished) -> Result<BTreeSet<String>, TrainError> {
        let manifest = &run.manifest;
        self.check_folds(root, manifest)?;
        let size = run.raw.data.size;
        let names = self.prepared.records.iter().map(|own| &own.task.name);
        let known = |name: &&String| manifest.data.iter().any(|data| data.task.name == **name);
        let names: Vec<String> =
            names.filter(known).filter(|name| self.wanted.contains(name.as_str())).cloned().collect();
        if size == self.size || names.is_empty() {
            check_data(root, manifest, self.prepared, &names)?;
        } else {
            let key = (size, names.clone());
            if let Some(other) = self.opened.get(&key) {
                check_data(root, manifest, other, &names)?;
            } else {
                let other = (self.open)(size, names.clone())?;
                check_data(root, manifest, &other, &names)?;
                self.pair(root, size, &names, &other.learning)?;
                self.opened.insert(key, other);
            }
        }
        Ok(names.into_iter().collect())
    }

    /// Checks that data of another size are of the student's rows, and keeps their training images.
    fn pair(&mut self, root: &Path, size: usize, names: &[String], other: &LearningData) -> Result<(), TrainError> {
        for (there, name) in names.iter().enumerate() {
            check_pairs(root, size, name, &self.prepared.learning, (other, there))?;
        }
        let (tasks, images) = self.others.entry(size).or_insert_with(|| (Vec::new(), other.train.none()));
        for (there, name) in names.iter().enumerate() {
            if !tasks.contains(name) {
                tasks.push(name.clone());
                images.push_plain(&other.train, there);
            }
        }
        Ok(())
    }

    fn check_folds(&self, root: &Path, manifest: &Manifest) -> Result<(), TrainError> {
        let wanted = self.wanted.iter().map(|name| (*name).to_owned());
        match folds::difference(manifest, self.folds.as_ref(), &wanted.collect::<Vec<String>>()) {
            Some(problem) => Err(misfit(root, problem)),
            None => Ok(()),
        }
    }
}

/// Checks that a run has learnt these tasks from these data, normalised alike.
fn check_data(root: &Path, manifest: &Manifest, data: &Prepared, names: &[String]) -> Result<(), TrainError> {
    for (own, statistics) in data.records.iter().zip(data.learning.train.normalisations()) {
        let name = &own.task.name;
        let theirs = manifest.data.iter().find(|data| data.task.name == *name).filter(|_| names.contains(name));
        let Some(theirs) = theirs else { continue };
        if let Some(problem) = pairs(own, theirs) {
            return Err(misfit(root, problem));
        }
        if manifest.normalisation.get(name).is_some_and(|theirs| *theirs != statistics) {
            let problem = format!("it normalises the pixels of {name} otherwise; give both the same [data] table");
            return Err(misfit(root, problem));
        }
    }
    Ok(())
}

/// Checks that the rows of a task are the same in files of another size.
fn check_pairs(
    root: &Path,
    size: usize,
    name: &str,
    own: &LearningData,
    (other, there): (&LearningData, usize),
) -> Result<(), TrainError> {
    let Some(here) = own.tasks.iter().position(|task| task.name == name) else { return Ok(()) };
    match pairing::problem((own, here), (other, there)) {
        Some(problem) => Err(misfit(
            root,
            format!("it has seen images of {size} pixels, and that file of {name} is not of the same rows: {problem}"),
        )),
        None => Ok(()),
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
