//! A whole run: data in, run folder out.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Instant;

use medley_core::record::{
    CalibrationTrial, Environment, Event, Manifest, MetricRow, RunResults, SCHEMA_VERSION, ScoreSet, SeedResult,
    TaskResult, WeightsRecord,
};
use medley_core::{Origin, RunLayout, Scores, Split};
use medley_data::{OpenOptions, OpenedFile, open_task};
use medley_metrics::{MetricError, summarise};
use medley_models::{ComputePlan, environment};
use medley_predictions::result_file;
use medley_storage::{Storage, write_whole};

use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::compute;
use crate::config::Experiment;
use crate::data::{Prepared, prepare};
use crate::engine::{Outcome, SeedRun, build_network};
use crate::observer::{JsonLines, MetricsCsv, Observers, TensorBoard};
use crate::pretrained::{Pretrained, PretrainedError};
use crate::run_folder::{RunFolder, config_sha256, git_revision, utc_now};
use crate::scoring::{mean_intervals, score_test, score_validation};
use crate::stop::StopFlag;

/// Where the `.npz` files lie, and how much of them may be held in memory.
#[derive(Debug, Clone)]
pub struct DataFolder<'a> {
    /// The folder.
    pub path: &'a Path,
    /// Limits of reading.
    pub options: OpenOptions,
}

impl<'a> From<&'a Path> for DataFolder<'a> {
    fn from(path: &'a Path) -> Self {
        Self { path, options: OpenOptions::default() }
    }
}

/// What [`start`] needs.
pub struct RunRequest<'a> {
    /// What to do.
    pub experiment: &'a Experiment,
    /// The resolved config, as it will be written to the run folder.
    pub config_text: &'a str,
    /// Where the `.npz` files lie.
    pub data_folder: DataFolder<'a>,
    /// Where run folders are made.
    pub runs_folder: &'a Path,
    /// A name for the run folder that must not exist yet; by default `<name>-<k>`.
    pub run_name: Option<&'a str>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// Everything is written.
    Finished(Box<RunResults>),
    /// Stopped on request; [`resume`] goes on.
    Interrupted,
}

/// A run in its folder, ready to be trained.
pub struct Run<'a> {
    experiment: &'a Experiment,
    prepared: Prepared,
    plan: ComputePlan,
    calibration: Vec<CalibrationTrial>,
    pretrained: Option<Pretrained>,
    folder: RunFolder,
    resumed: bool,
    storage: &'a dyn Storage,
}

/// Opens the data, checks everything that can be checked, and only then makes the run folder: what is refused leaves
/// nothing behind.
///
/// # Errors
/// Bad data, an unavailable device, an unwritable or existing run folder.
pub fn start<'a>(request: &RunRequest<'a>, storage: &'a dyn Storage) -> Result<Run<'a>, TrainError> {
    let experiment = request.experiment;
    environment::require_cuda(experiment.device())?;
    let prepared = open_data(experiment, &request.data_folder)?;
    let calibration = compute::choose(experiment, &prepared.learning.tasks)?;
    let (plan, calibration) = (calibration.plan, calibration.trials());
    compute::prepare_process(&plan);
    let trial = build_network(experiment, &prepared.learning.tasks, 0, plan)?;
    let pretrained = experiment.net.pretrained.as_deref().map(Pretrained::open).transpose()?;
    if let Some(pretrained) = &pretrained {
        pretrained.start(&trial)?;
    }
    drop(trial);
    let folder = RunFolder::create(request.runs_folder, &experiment.name, request.run_name, storage, |run| {
        let weights = pretrained.as_ref().map(Pretrained::record);
        let manifest = manifest(run, experiment, &prepared, plan, &calibration, weights, request.config_text);
        (manifest, request.config_text.to_owned())
    })?;
    Ok(Run { experiment, prepared, plan, calibration, pretrained, folder, resumed: false, storage })
}

/// Opens a run folder to go on with it, by the compute plan that was chosen when it began. The data must be what it was.
///
/// # Errors
/// When it is no run folder, is in use, or its data changed.
pub fn resume<'a>(
    experiment: &'a Experiment,
    run: &Path,
    data_folder: &DataFolder<'_>,
    storage: &'a dyn Storage,
) -> Result<Run<'a>, TrainError> {
    let folder = RunFolder::open(run)?;
    environment::require_cuda(experiment.device())?;
    let prepared = open_data(experiment, data_folder)?;
    folder.check_data(&prepared.records)?;
    let plan = compute::recorded(experiment, &folder.manifest().environment);
    compute::prepare_process(&plan);
    let pretrained = recorded_weights(experiment, &folder)?;
    Ok(Run { experiment, prepared, plan, calibration: Vec::new(), pretrained, folder, resumed: true, storage })
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
        if CheckpointFolder::new(layout.checkpoints(seed), seed).is_fresh()? {
            pretrained.check()?;
            break;
        }
    }
    Ok(Some(pretrained))
}

impl Run<'_> {
    /// Where it writes.
    pub fn layout(&self) -> &RunLayout {
        self.folder.layout()
    }

    /// What it computes with.
    pub fn environment(&self) -> Environment {
        compute::environment(&self.plan)
    }

    /// What this process tried before it chose how to compute; empty if there was nothing to choose.
    pub fn calibration(&self) -> &[CalibrationTrial] {
        &self.calibration
    }

    /// Trains every seed, scores the test split once per seed, writes predictions and results. `observers` are those of the
    /// caller (a progress bar); the files of the run folder are written by this function's own.
    ///
    /// # Errors
    /// See [`TrainError`]. What was finished before stays, and [`resume`] goes on from there.
    pub fn train(self, mut observers: Observers, stop: &StopFlag) -> Result<RunEnd, TrainError> {
        if let Some(results) = self.finished_results()? {
            return Ok(RunEnd::Finished(Box::new(results)));
        }
        let started = Instant::now();
        self.attach_files(&mut observers)?;
        self.announce(&mut observers)?;
        let mut seeds = Vec::new();
        let mut test_scores: Vec<Vec<Scores>> = Vec::new();
        for &seed in &self.experiment.seeds {
            match self.run_seed(seed, &mut observers, stop)? {
                Some((result, scores)) => {
                    seeds.push(result);
                    test_scores.push(scores);
                }
                None => return Ok(RunEnd::Interrupted),
            }
        }
        let results = RunResults {
            schema_version: SCHEMA_VERSION,
            run: self.layout().name(),
            synthetic: self.folder.manifest().is_synthetic(),
            summary: summarise(&seeds),
            mean_intervals: mean_intervals(&self.prepared.learning.tasks, &self.prepared.test, &test_scores)?,
            ensemble: self.score_ensemble(&test_scores)?,
            seeds,
        };
        self.write_json(&self.layout().results(), &results)?;
        let means: Vec<f64> = results.test_sets().map(|set| set.harmonic_mean).collect();
        let harmonic_mean = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
        observers.send(&Event::RunFinished { harmonic_mean, seconds: started.elapsed().as_secs_f64() })?;
        Ok(RunEnd::Finished(Box::new(results)))
    }

    /// The results of a run that was finished before: they stand, and its test labels stay shut.
    fn finished_results(&self) -> Result<Option<RunResults>, TrainError> {
        let path = self.layout().results();
        if !path.exists() {
            return Ok(None);
        }
        let unreadable = |problem: String| TrainError::Results { path: path.clone(), problem };
        let bytes = fs_err::read(&path).map_err(|error| unreadable(error.to_string()))?;
        serde_json::from_slice(&bytes).map(Some).map_err(|error| unreadable(error.to_string()))
    }

    fn announce(&self, observers: &mut Observers) -> Result<(), TrainError> {
        let tasks: Vec<String> = self.prepared.learning.tasks.iter().map(|task| task.name.clone()).collect();
        let steps_per_epoch = crate::sampler::Sampler::new(
            0,
            &self.prepared.learning.train.rows(),
            self.experiment.sampler.alpha,
            self.experiment.sampler.samples_per_epoch,
            self.experiment.train.batch_size,
        )
        .batches_per_epoch();
        observers.send(&Event::RunStarted {
            run: self.layout().name(),
            tasks,
            seeds: self.experiment.seeds.clone(),
            epochs: self.experiment.train.epochs,
            steps_per_epoch,
            resumed: self.resumed,
        })?;
        for record in &self.prepared.records {
            if record.release.is_none() {
                let what = if record.task.origin == Origin::User { "not the imported" } else { "no published" };
                let message = format!(
                    "`{}` is {what} file of {}: its rows or its MD5 differ (see `medley data verify`)",
                    record.file, record.task.title
                );
                observers.send(&Event::Warning { message })?;
            }
        }
        if self.resumed && self.folder.manifest().environment != self.environment() {
            let message = "this machine or libtorch differs from the one the run began on: it goes on, but not to \
                           the same bits";
            observers.send(&Event::Warning { message: message.to_owned() })?;
        }
        Ok(())
    }

    /// Trains and scores one seed; `None` when it was interrupted.
    fn run_seed(
        &self,
        seed: u64,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<(SeedResult, Vec<Scores>)>, TrainError> {
        let learning = &self.prepared.learning;
        let (plan, pretrained) = (self.plan, self.pretrained.as_ref());
        let mut seed_run =
            SeedRun::new(self.experiment, learning, seed, plan, pretrained, self.layout(), self.storage)?;
        observers.send(&Event::SeedStarted { seed, parameters: seed_run.parameter_count() })?;
        for skipped in seed_run.skipped_checkpoints() {
            observers.send(&Event::Warning { message: format!("a checkpoint is not used: {skipped}") })?;
        }
        let outcome = seed_run.train(observers, stop)?;
        let interrupted = Event::RunInterrupted { seed, epoch: seed_run.progress().epoch };
        if outcome == Outcome::Interrupted {
            return observers.send(&interrupted).map(|()| None);
        }
        let best = seed_run.into_best()?;
        let Some(validation) = best.predict_validation(observers, stop)?.map(scores_of) else {
            return observers.send(&interrupted).map(|()| None);
        };
        let Some(test) = best.predict_test(&self.prepared.test.images, observers, stop)?.map(scores_of) else {
            return observers.send(&interrupted).map(|()| None);
        };
        let result = SeedResult {
            seed,
            best_epoch: best.epoch(),
            validation: score_validation(&learning.tasks, &learning.val_labels, &validation)?,
            test: Some(score_test(&learning.tasks, &self.prepared.test, &test)?),
            stopped: None,
        };
        let run = format!("{}-seed{seed}", self.layout().name());
        self.write_predictions(&run, Split::Val, &result.validation.tasks, &validation)?;
        if let Some(set) = &result.test {
            self.write_predictions(&run, Split::Test, &set.tasks, &test)?;
        }
        observers.send(&Event::SeedScored { seed, result: result.clone() })?;
        Ok(Some((result, test)))
    }

    /// The mean of the probabilities of all seeds, if there are several.
    fn score_ensemble(&self, seeds: &[Vec<Scores>]) -> Result<Option<ScoreSet>, TrainError> {
        if seeds.len() < 2 {
            return Ok(None);
        }
        let tasks = &self.prepared.learning.tasks;
        let mut means = Vec::with_capacity(tasks.len());
        for (index, task) in tasks.iter().enumerate() {
            let all: Vec<Scores> = seeds.iter().filter_map(|seed| seed.get(index).cloned()).collect();
            let mean = Scores::mean(&all).filter(|_| all.len() == seeds.len());
            means.push(mean.ok_or_else(|| MetricError::Columns {
                task: task.name.clone(),
                actual: all.first().map_or(0, Scores::columns),
                expected: task.outputs(),
            })?);
        }
        let result = score_test(tasks, &self.prepared.test, &means)?;
        let run = format!("{}-ensemble", self.layout().name());
        self.write_predictions(&run, Split::Test, &result.tasks, &means)?;
        Ok(Some(result))
    }

    fn write_predictions(
        &self,
        run: &str,
        split: Split,
        results: &[TaskResult],
        scores: &[Scores],
    ) -> Result<(), TrainError> {
        let layout = self.layout();
        fs_err::create_dir_all(layout.predictions())
            .map_err(|source| medley_storage::StorageError::Io { path: layout.predictions(), source })?;
        for (result, scores) in results.iter().zip(scores) {
            let path = layout.prediction_file(&result.task, split, result.auc, result.accuracy, run);
            write_whole(self.storage, &path, &result_file::render(scores))?;
            remove_others(&path)?;
        }
        Ok(())
    }

    fn write_json(&self, path: &Path, value: &impl serde::Serialize) -> Result<(), TrainError> {
        let bytes = serde_json::to_vec_pretty(value)
            .map_err(|error| TrainError::Observer(anyhow::Error::new(error).context(path.display().to_string())))?;
        Ok(write_whole(self.storage, path, &bytes)?)
    }

    fn attach_files(&self, observers: &mut Observers) -> Result<(), TrainError> {
        let layout = self.layout();
        let finished: BTreeMap<u64, usize> =
            self.experiment.seeds.iter().map(|&seed| (seed, self.finished_epochs(seed))).collect();
        let keep = |row: &MetricRow| finished.get(&row.seed).is_some_and(|&epochs| row.epoch <= epochs);
        let attach = || -> anyhow::Result<_> {
            Ok((
                JsonLines::append(&layout.events(), 50)?,
                MetricsCsv::open(&layout.metrics(), &keep)?,
                TensorBoard::new(layout.clone()),
            ))
        };
        let (lines, metrics, tensorboard) = attach().map_err(TrainError::Observer)?;
        observers.push("events.jsonl", Box::new(lines));
        observers.push("metrics.csv", Box::new(metrics));
        observers.push("tb", Box::new(tensorboard));
        Ok(())
    }

    /// Epochs that the newest checkpoint of a seed holds: rows of later ones are from work that was lost.
    fn finished_epochs(&self, seed: u64) -> usize {
        let newest = CheckpointFolder::new(self.layout().checkpoints(seed), seed).newest();
        newest.map_or(0, |progress| progress.epoch)
    }
}

/// Opens every task of the config. The first that cannot be opened is the error.
fn open_data(experiment: &Experiment, folder: &DataFolder<'_>) -> Result<Prepared, TrainError> {
    let mut files: Vec<OpenedFile> = Vec::with_capacity(experiment.tasks.len());
    for task in &experiment.tasks {
        files.push(open_task(folder.path, task, experiment.data.size, &folder.options)?);
    }
    let prepared = prepare(experiment, files)?;
    // Images of different sizes and bad policies are refused before a run folder is made.
    prepared.learning.train.assembler(experiment, 0)?;
    Ok(prepared)
}

fn manifest(
    run: &str,
    experiment: &Experiment,
    prepared: &Prepared,
    plan: ComputePlan,
    calibration: &[CalibrationTrial],
    pretrained: Option<&WeightsRecord>,
    config_text: &str,
) -> Manifest {
    let learning = &prepared.learning;
    Manifest {
        schema_version: SCHEMA_VERSION,
        run: run.to_owned(),
        created: utc_now(),
        seeds: experiment.seeds.clone(),
        environment: compute::environment(&plan),
        calibration: calibration.to_vec(),
        data: prepared.records.clone(),
        normalisation: learning
            .tasks
            .iter()
            .map(|task| task.name.clone())
            .zip(learning.train.normalisations())
            .collect(),
        pretrained: pretrained.cloned(),
        config_sha256: config_sha256(config_text),
        git_revision: git_revision(),
        no_test: false,
        test_openings: Vec::new(),
    }
}

/// A result file has its figures in its name. Predicted again after an interruption, on another machine, they may differ in the
/// last digit; two files of one prediction would count twice.
fn remove_others(kept: &Path) -> Result<(), TrainError> {
    let (Some(folder), Some(kept)) = (kept.parent(), kept.file_name()) else { return Ok(()) };
    let prediction =
        |name: &OsStr| result_file::parse_name(name.to_str()?).map(|name| (name.flag, name.size, name.split, name.run));
    let io = |source| medley_storage::StorageError::Io { path: folder.to_owned(), source };
    for entry in fs_err::read_dir(folder).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name();
        if name != kept && prediction(&name).is_some_and(|other| Some(other) == prediction(kept)) {
            fs_err::remove_file(entry.path()).map_err(io)?;
        }
    }
    Ok(())
}

fn scores_of(predictions: Vec<crate::engine::predict::Prediction>) -> Vec<Scores> {
    predictions.into_iter().map(|prediction| prediction.scores).collect()
}
