//! Many experiments in one process, on data that is opened and hashed once.
//!
//! A [`Session`] keeps every data set it has opened, by name and size, with what its pixels are normalised by. Runs that it
//! starts share those pixels. Nothing else is shared: noise comes from streams by position, and the number of threads is set for
//! the thread that trains, while it trains. So experiments may run one after another or at the same time, each in a thread of its
//! own, also with different numbers of threads, and have the bits that each has in a process of its own. At the same time they
//! compete for cores and memory: `train.threads` should share the cores out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use medley_core::record::{Inheritance, Manifest, Parent};
use medley_core::{RunLayout, Split};
use medley_data::{OpenOptions, memory, open_task};
use medley_models::{MultiTaskNet, environment};
use medley_storage::Storage;

use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::compute::{self, ChosenPlan};
use crate::config::Experiment;
use crate::data::{LearningData, OpenedSet, Prepared, SplitSources, prepare};
use crate::distill::Teachers;
use crate::engine::{build_network, check_phases};
use crate::folds::{Groups, GroupsError};
use crate::memory::{Footprint, MemoryEstimate};
use crate::parent::{ParentError, ParentRun};
use crate::pretrained::{Pretrained, PretrainedError};
use crate::run::{RestoreThreads, Run, manifest};
use crate::run_folder::{RunFolder, check_data, check_free};

/// A folder of data, and where runs are written.
pub struct Session<'a> {
    data_folder: PathBuf,
    options: OpenOptions,
    storage: &'a dyn Storage,
    allow_memory: bool,
    choices: Option<PathBuf>,
    opened: Mutex<BTreeMap<(String, usize), OpenedSet>>,
}

/// What [`Session::start`] needs to know of a run.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// What to do.
    pub experiment: &'a Experiment,
    /// The resolved config, as it will be written to the run folder.
    pub config_text: &'a str,
    /// Where run folders are made.
    pub runs_folder: &'a Path,
    /// A name for the run folder that must not exist yet; by default `<name>-<k>`.
    pub run_name: Option<&'a str>,
    /// A run to begin from.
    pub parent: Option<&'a ParentRun>,
    /// Whether test images are not predicted and test labels stay shut, until [`Run::test`].
    pub no_test: bool,
}

/// What was opened, chosen and checked before an experiment is trained.
pub(crate) struct Ready {
    pub(crate) prepared: Prepared,
    pub(crate) choice: ChosenPlan,
    pub(crate) pretrained: Option<Pretrained>,
    pub(crate) parent: Option<Parent>,
    pub(crate) teachers: Teachers,
}

impl<'a> Session<'a> {
    /// A session on the `.npz` files of a folder, read within the limits of `options`. Nothing is opened yet. A file that changes
    /// later is not read again.
    pub fn open(data_folder: impl Into<PathBuf>, options: OpenOptions, storage: &'a dyn Storage) -> Self {
        Self {
            data_folder: data_folder.into(),
            options,
            storage,
            allow_memory: false,
            choices: None,
            opened: Mutex::default(),
        }
    }

    /// The folder with the data files, as it was given.
    pub fn data_folder(&self) -> &Path {
        &self.data_folder
    }

    /// Whether runs may begin for which there is too little memory by its estimate.
    #[must_use]
    pub fn allow_memory(self, allow_memory: bool) -> Self {
        Self { allow_memory, ..self }
    }

    /// A folder in which the choice of how to compute is kept for the next run, see [`compute::kept`]; by default each run makes its own.
    #[must_use]
    pub fn keep_choices(self, folder: Option<PathBuf>) -> Self {
        Self { choices: folder, ..self }
    }

    /// Checks everything that can be checked, what costs least first, and only then makes the run folder: what is refused leaves
    /// nothing behind.
    ///
    /// # Errors
    /// A name that is taken or cannot be one, an unavailable device, bad data, too little memory, weights that do not fit, an
    /// unwritable folder.
    pub fn start<'r>(&self, request: &RunRequest<'r>) -> Result<Run<'r>, TrainError>
    where
        'a: 'r,
    {
        let experiment = request.experiment;
        check_free(request.runs_folder, &experiment.name, request.run_name)?;
        let ready = self.ready_from(experiment, request.parent)?;
        let create =
            |run: &str| (manifest::describe(run, request, &self.data_folder, &ready), request.config_text.to_owned());
        let folder = RunFolder::create(request.runs_folder, &experiment.name, request.run_name, self.storage, create)?;
        let Ready { prepared, choice, pretrained, teachers, .. } = ready;
        let plan = choice.plan;
        let run =
            Run::new(experiment, prepared, plan, Some(choice), pretrained, folder, self.storage).taught_by(teachers);
        match request.parent {
            Some(parent) => run.inherit(parent),
            None => Ok(run),
        }
    }

    /// Opens the data of an experiment, and decides how it would be computed; nothing is written.
    ///
    /// # Errors
    /// As [`Session::start`], but for what concerns the run folder.
    pub fn choose(&self, experiment: &Experiment) -> Result<ChosenPlan, TrainError> {
        Ok(self.ready(experiment)?.choice)
    }

    /// What an experiment needs to be trained.
    pub(crate) fn ready(&self, experiment: &Experiment) -> Result<Ready, TrainError> {
        self.ready_from(experiment, None)
    }

    /// What writes the files of runs.
    pub(crate) fn storage(&self) -> &dyn Storage {
        self.storage
    }

    fn ready_from(&self, experiment: &Experiment, begins_from: Option<&ParentRun>) -> Result<Ready, TrainError> {
        find_device(experiment)?;
        let prepared = self.data_of(experiment)?;
        // Calibration changes the number of threads.
        let _threads = RestoreThreads::later();
        let least = compute::least(experiment);
        let teachers =
            Teachers::open(experiment, &prepared, &|size, tasks| self.data_at_size(experiment, size, tasks))?;
        let footprint = Footprint::of(experiment, &prepared.learning, &least)?.with_teachers(&teachers);
        self.check_memory(&footprint)?;
        let replicas = self.check_memory(&footprint.with_plan(&compute::most_replicas(experiment, least))).is_ok();
        let choice = match begins_from {
            // It computes as the run it goes on from.
            Some(parent) if parent.how() == Inheritance::Everything => {
                let plan = compute::recorded(experiment, &parent.manifest().environment);
                ChosenPlan { plan, trials: Vec::new(), kept: true }
            }
            _ => compute::choose(experiment, &prepared.learning.tasks, replicas, self.choices.as_deref())?,
        };
        let plan = choice.plan;
        self.check_memory(&footprint.with_plan(&plan))?;
        let network = build_network(experiment, &prepared.learning.tasks, 0, plan)?;
        check_phases(experiment, &network)?;
        let parent = begins_from.map(|parent| inherited(parent, experiment, &prepared, &network)).transpose()?;
        let pretrained = match (experiment.net.pretrained.as_deref(), begins_from) {
            (None, _) => None,
            (Some(path), None) => {
                let pretrained = Pretrained::open(path)?;
                pretrained.start(&network)?;
                Some(pretrained)
            }
            // The parent began with them.
            (Some(path), Some(parent)) => match &parent.manifest().pretrained {
                Some(record) if parent.how() == Inheritance::Everything => Some(Pretrained::recorded(path, record)),
                _ => return Err(ParentError::TwoOrigins.into()),
            },
        };
        Ok(Ready { prepared, choice, pretrained, parent, teachers })
    }

    /// Goes on with a run, with the compute plan that was chosen when it began. The data must be what it was. `experiment` is that of
    /// the folder's config.
    ///
    /// # Errors
    /// A device that is not there, and data or weights that are not what the run began with.
    pub fn resume<'r>(&self, experiment: &'r Experiment, folder: RunFolder) -> Result<Run<'r>, TrainError>
    where
        'a: 'r,
    {
        find_device(experiment)?;
        let prepared = self.data_of(experiment).map_err(|error| match error {
            TrainError::Data(error) => error.of_run(&folder.manifest().data).into(),
            other => other,
        })?;
        check_groups(experiment, &prepared, folder.manifest())?;
        folder.check_data(&prepared.records)?;
        let plan = compute::recorded(experiment, &folder.manifest().environment);
        let is_finished = folder.layout().results().exists();
        // A finished run needs its teachers no more.
        let teachers = if is_finished {
            Teachers::default()
        } else {
            let open = |size, tasks| self.data_at_size(experiment, size, tasks);
            Teachers::reopen(experiment, &prepared, &open, folder.layout().root(), folder.manifest())?
        };
        if !is_finished {
            let footprint = Footprint::of(experiment, &prepared.learning, &plan)?;
            self.check_memory(&footprint.with_teachers(&teachers))?;
        }
        let pretrained = recorded_weights(experiment, &folder)?;
        let run = Run::new(experiment, prepared, plan, None, pretrained, folder, self.storage);
        Ok(run.taught_by(teachers).resumed())
    }

    /// What a run learnt from and was validated on, which must be what it began with.
    ///
    /// # Errors
    /// Data that are missing, bad or others.
    pub fn learning_data(
        &self,
        experiment: &Experiment,
        run: &RunLayout,
        manifest: &Manifest,
    ) -> Result<LearningData, TrainError> {
        let prepared = self.data_of(experiment)?;
        check_groups(experiment, &prepared, manifest)?;
        check_data(run.root(), manifest, &prepared.records)?;
        Ok(prepared.learning)
    }

    /// The images of one split of a run, which must be what it began with; no labels.
    ///
    /// # Errors
    /// As [`Self::learning_data`].
    pub fn images(
        &self,
        experiment: &Experiment,
        run: &RunLayout,
        manifest: &Manifest,
        split: Split,
    ) -> Result<SplitSources, TrainError> {
        let prepared = self.data_of(experiment)?;
        check_groups(experiment, &prepared, manifest)?;
        check_data(run.root(), manifest, &prepared.records)?;
        Ok(match split {
            Split::Train => prepared.learning.train,
            Split::Val => prepared.learning.val,
            Split::Test => prepared.test.images,
        })
    }

    fn check_memory(&self, footprint: &Footprint) -> Result<(), TrainError> {
        match memory::available() {
            Some(available) if !self.allow_memory => Ok(MemoryEstimate::of(footprint).check(&available)?),
            _ => Ok(()),
        }
    }

    /// The data of an experiment. The first set that cannot be opened is the error.
    pub(crate) fn data_of(&self, experiment: &Experiment) -> Result<Prepared, TrainError> {
        let sets = experiment.tasks.iter().map(|task| self.set(task, experiment.data.size));
        let sets = sets.collect::<Result<Vec<_>, _>>()?;
        let mut groups = BTreeMap::new();
        for (task, set) in experiment.tasks.iter().zip(&sets) {
            if let Some(path) = experiment.folds.groups.get(task) {
                let [train, val] = set.rows();
                groups.insert(task.clone(), Groups::read(task, Path::new(path), train, val)?);
            }
        }
        let mut prepared = prepare(experiment, sets, &groups)?;
        prepared.groups = groups.into_iter().map(|(task, groups)| (task, groups.sha256)).collect();
        // Images of different sizes and bad policies are refused before a run folder is made.
        prepared.learning.train.assembler(experiment, 0)?;
        Ok(prepared)
    }

    /// Some tasks of an experiment in images of another size.
    fn data_at_size(&self, experiment: &Experiment, size: usize, tasks: Vec<String>) -> Result<Prepared, TrainError> {
        self.data_of(&experiment.at_size(size, tasks))
    }

    /// A set, opened now or before. Others wait meanwhile, so that none is opened twice.
    fn set(&self, task: &str, size: usize) -> Result<OpenedSet, TrainError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (task.to_owned(), size);
        if let Some(set) = opened.get(&key) {
            return Ok(set.clone());
        }
        let set = OpenedSet::measure(open_task(&self.data_folder, task, size, &self.options)?);
        opened.insert(key, set.clone());
        Ok(set)
    }
}

/// What a run begins from, compared with its network and its data.
fn inherited(
    parent: &ParentRun,
    experiment: &Experiment,
    prepared: &Prepared,
    network: &MultiTaskNet,
) -> Result<Parent, TrainError> {
    if parent.how() == Inheritance::Everything {
        check_data(parent.root(), parent.manifest(), &prepared.records)?;
    }
    parent.check_folds(prepared.folds_record(experiment).as_ref(), &experiment.tasks)?;
    let state: Vec<_> = network.parameters().into_iter().chain(network.buffers()).collect();
    parent.record(&experiment.seeds, &state)
}

/// The files of groups are those that the run began with.
fn check_groups(experiment: &Experiment, prepared: &Prepared, manifest: &Manifest) -> Result<(), GroupsError> {
    let then = manifest.folds.as_ref().map(|folds| &folds.groups);
    for (task, sha256) in &prepared.groups {
        if then.and_then(|then| then.get(task)) != Some(sha256) {
            let path = experiment.folds.groups.get(task).map(PathBuf::from).unwrap_or_default();
            return Err(GroupsError::Changed { task: task.clone(), path });
        }
    }
    Ok(())
}

/// The weights that a run began with. They are looked at now if a seed has yet to start from them, not hours later.
fn recorded_weights(experiment: &Experiment, folder: &RunFolder) -> Result<Option<Pretrained>, TrainError> {
    let layout = folder.layout();
    let (path, record) = match (experiment.net.pretrained.as_deref(), folder.manifest().pretrained.as_ref()) {
        (None, None) => return Ok(None),
        (Some(path), Some(record)) => (path, record),
        _ => return Err(PretrainedError::Unrecorded { manifest: layout.manifest() }.into()),
    };
    let pretrained = Pretrained::recorded(path, record);
    for &seed in &experiment.seeds {
        if CheckpointFolder::new(layout, seed).is_fresh()? {
            pretrained.check()?;
            break;
        }
    }
    Ok(Some(pretrained))
}

/// The device of a config, if this machine has it.
fn find_device(experiment: &Experiment) -> Result<(), TrainError> {
    let found = environment::require_cuda(experiment.device());
    found.map_err(|error| experiment.refuse("train.device", error.to_string()).into())
}
