//! A run in its folder: every seed is trained, then scored, and what exists is kept at once.
//!
//! [`Session::start`](crate::session::Session::start) makes a run and [`Session::resume`](crate::session::Session::resume) goes on
//! with one; [`Run::train`] does what is left of it. Each seed ends with a file of its own results, and `results.json` is made of
//! those: a seed that has its file is neither predicted nor scored again. Test labels open to predictions that are written, and each
//! opening is recorded in the manifest before it happens.

pub(crate) mod manifest;
mod predictions;
mod robustness;
mod stages;
mod threads;

use std::collections::BTreeMap;
use std::time::Instant;

use medley_core::record::{
    Environment, Event, Inheritance, MetricRow, Parent, RunResults, SCHEMA_VERSION, ScoreSet, SeedRecord, SeedResult,
    TestOpening,
};
use medley_core::text::hex;
use medley_core::{Origin, RunLayout, Scores, Split};
use medley_metrics::{MetricError, summarise};
use medley_models::ComputePlan;
use medley_predictions::record::read_results;
use medley_storage::{ConfinedFolder, ConfinedFs, Storage, if_present, write_whole};

use crate::TrainError;
use crate::checkpoint::{CheckpointError, CheckpointFolder};
use crate::components::callbacks::Callbacks;
use crate::compute::{self, ChosenPlan};
use crate::config::{Experiment, Rules};
use crate::data::Prepared;
use crate::distill::Teachers;
use crate::engine::SeedRun;
use crate::observer::{JsonLines, MetricsCsv, Observers, TensorBoard, flattened};
use crate::parent::ParentRun;
use crate::phases;
use crate::pretrained::Pretrained;
use crate::run_folder::{RunFolder, utc_now};
use crate::sampler::Sampler;
use crate::scoring::{Written, mean_intervals, score_test, score_validation};
use crate::stop::StopFlag;
use predictions::{PredictionFiles, write_json};
pub(crate) use threads::RestoreThreads;

/// Largest `metrics.csv` that is copied, in bytes.
const LARGEST_METRICS: u64 = 1 << 30;

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum RunEnd {
    /// Everything is written.
    Finished(Box<RunResults>),
    /// Stopped on request; [`Session::resume`](crate::session::Session::resume) goes on.
    Interrupted,
}

/// A run in its folder, ready to be trained.
pub struct Run<'a> {
    experiment: &'a Experiment,
    prepared: Prepared,
    plan: ComputePlan,
    choice: Option<ChosenPlan>,
    pretrained: Option<Pretrained>,
    teachers: Teachers,
    folder: RunFolder,
    resumed: bool,
    /// Writes into the run folder alone.
    storage: ConfinedFs<&'a dyn Storage>,
    callbacks: Box<dyn Fn(u64) -> Callbacks + Send + 'a>,
}

/// What a subcommand asks of a run.
#[derive(Debug, Clone, Copy)]
struct Order {
    /// The subcommand: what the manifest records of an opening of test labels.
    by: &'static str,
    /// Whether the test split is predicted and scored.
    test: bool,
}

/// What is left of a seed.
struct SeedWork {
    seed: u64,
    /// The results that it has already.
    kept: Option<SeedRecord>,
    order: Order,
}

/// Splits that a finished network shall predict.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    validation: bool,
    test: bool,
}

impl<'a> Run<'a> {
    pub(crate) fn new(
        experiment: &'a Experiment,
        prepared: Prepared,
        plan: ComputePlan,
        choice: Option<ChosenPlan>,
        pretrained: Option<Pretrained>,
        folder: RunFolder,
        storage: &'a dyn Storage,
    ) -> Self {
        Self {
            experiment,
            prepared,
            plan,
            choice,
            pretrained,
            teachers: Teachers::default(),
            resumed: false,
            storage: ConfinedFs::new(ConfinedFolder::new(folder.layout().root()), storage),
            folder,
            callbacks: Box::new(|_| Callbacks::default()),
        }
    }

    pub(crate) fn taught_by(self, teachers: Teachers) -> Self {
        Self { teachers, ..self }
    }

    pub(crate) fn resumed(self) -> Self {
        Self { resumed: true, ..self }
    }

    /// Adds callbacks to those of the config: `make` is called once for each seed that is worked on, in each process.
    #[must_use]
    pub fn with_callbacks(self, make: impl Fn(u64) -> Callbacks + Send + 'a) -> Self {
        Self { callbacks: Box::new(make), ..self }
    }

    /// Where it writes.
    pub fn layout(&self) -> &RunLayout {
        self.folder.layout()
    }

    /// The name that it got when it was made: that of its folder, unless that was renamed. It stands in the names of files, which
    /// must not change while a run goes on.
    pub fn name(&self) -> &str {
        &self.folder.manifest().run
    }

    /// What it computes with.
    pub fn environment(&self) -> Environment {
        compute::environment(&self.plan)
    }

    /// The run that it began from, if there is one.
    pub fn parent(&self) -> Option<&Parent> {
        self.folder.manifest().parent.as_ref()
    }

    /// How it was decided what to compute with; `None` when an earlier process did.
    pub fn choice(&self) -> Option<&ChosenPlan> {
        self.choice.as_ref()
    }

    /// Trains every seed, predicts and scores, and writes predictions and results; without the test split if the run was started
    /// so. `observers` are those of the caller (a progress bar); the files of the run folder are written by this function's own.
    ///
    /// # Errors
    /// See [`TrainError`]. What was finished before stays, and [`Session::resume`](crate::session::Session::resume) goes on from
    /// there.
    pub fn train(self, observers: Observers, stop: &StopFlag) -> Result<RunEnd, TrainError> {
        if let Some(results) = self.results()? {
            return Ok(RunEnd::Finished(Box::new(results)));
        }
        let test = !self.folder.manifest().no_test;
        self.carry_out(Order { by: "train", test }, observers, stop)
    }

    /// Predicts and scores the test split of a finished run that left it shut. A run that is scored already keeps its results, and
    /// nothing is opened.
    ///
    /// # Errors
    /// [`TrainError::Unfinished`] before training has ended; else as [`Self::train`].
    pub fn test(self, observers: Observers, stop: &StopFlag) -> Result<RunEnd, TrainError> {
        match self.results()? {
            None => Err(TrainError::Unfinished { run: self.layout().root().to_owned() }),
            Some(results) if results.is_tested() => Ok(RunEnd::Finished(Box::new(results))),
            Some(_) => self.carry_out(Order { by: "test", test: true }, observers, stop),
        }
    }

    /// What the network of a finished run of one seed says of the test images, by task; `None` where a stop was asked for. Nothing is
    /// written, and no label is opened: this is for whoever averages several runs and scores their mean.
    ///
    /// # Errors
    /// [`TrainError::Unfinished`] before training has ended; else as [`Self::train`].
    pub fn predict_test(self, mut observers: Observers, stop: &StopFlag) -> Result<Option<Vec<Scores>>, TrainError> {
        let _threads = RestoreThreads::later();
        compute::prepare_process(&self.plan);
        let seed = self.experiment.seeds[0];
        let Some(kept) = self.files().kept(seed)? else {
            return Err(TrainError::Unfinished { run: self.layout().root().to_owned() });
        };
        let wanted = Wanted { validation: false, test: true };
        let predicted = self.predict_seed(seed, (wanted, kept.result.fine_tuned), &mut observers, stop)?;
        Ok(predicted.and_then(|predicted| predicted.test))
    }

    /// The results of a run that was finished before; `None` where something is left to be trained.
    ///
    /// # Errors
    /// [`TrainError::Results`] where the file cannot be used.
    pub fn results(&self) -> Result<Option<RunResults>, TrainError> {
        read_results(self.layout(), self.folder.manifest()).map_err(TrainError::Results)
    }

    fn carry_out(mut self, order: Order, mut observers: Observers, stop: &StopFlag) -> Result<RunEnd, TrainError> {
        let _threads = RestoreThreads::later();
        compute::prepare_process(&self.plan);
        let started = Instant::now();
        if !self.prepared.fold_rows.is_empty() {
            write_json(&self.storage, &self.layout().fold_rows(), &self.prepared.fold_rows)?;
        }
        self.attach_files(&mut observers)?;
        self.announce(&mut observers)?;
        let mut records = Vec::new();
        for &seed in &self.experiment.seeds {
            let kept = self.files().kept(seed)?;
            let record = match kept {
                Some(record) if record.result.test.is_some() || !order.test => record,
                kept => match self.run_seed(SeedWork { seed, kept, order }, &mut observers, stop)? {
                    Some(record) => record,
                    None => return Ok(RunEnd::Interrupted),
                },
            };
            records.push(record);
        }
        let results = self.put_together(records, order)?;
        write_json(&self.storage, &self.layout().results(), &results)?;
        let means: Vec<f64> = results.test_sets().map(|set| set.harmonic_mean).collect();
        let harmonic_mean = (!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64);
        observers.send(&Event::RunFinished { harmonic_mean, seconds: started.elapsed().as_secs_f64() })?;
        Ok(RunEnd::Finished(Box::new(results)))
    }

    /// `results.json`, of the results of all seeds.
    fn put_together(&mut self, records: Vec<SeedRecord>, order: Order) -> Result<RunResults, TrainError> {
        let written = if order.test && records.len() > 1 {
            records.iter().map(|record| self.files().written(record)).collect::<Result<Vec<_>, _>>()?
        } else {
            Vec::new()
        };
        let ensemble = self.score_ensemble(&written, order.by)?;
        let seeds: Vec<SeedResult> = records.into_iter().map(|record| record.result).collect();
        Ok(RunResults {
            schema_version: SCHEMA_VERSION,
            run: self.name().to_owned(),
            synthetic: self.folder.manifest().is_synthetic(),
            summary: summarise(&seeds),
            mean_intervals: mean_intervals(&self.prepared.learning.tasks, &self.prepared.test, &written)?,
            ensemble,
            seeds,
        })
    }

    fn announce(&self, observers: &mut Observers) -> Result<(), TrainError> {
        let tasks: Vec<String> = self.prepared.learning.tasks.iter().map(|task| task.name.clone()).collect();
        let rows = self.prepared.learning.train.rows();
        let steps_per_epoch = Sampler::of(self.experiment, 0, &rows).batches_per_epoch();
        observers.send(&Event::RunStarted {
            run: self.name().to_owned(),
            tasks,
            seeds: self.experiment.seeds.clone(),
            epochs: phases::epochs(self.experiment),
            steps_per_epoch,
            resumed: self.resumed,
        })?;
        for message in self.experiment.warnings() {
            observers.send(&Event::Warning { message: message.clone() })?;
        }
        for record in &self.prepared.records {
            if record.release.is_none() {
                let what = if record.task.origin == Origin::User { "not the imported" } else { "not the published" };
                let message = format!(
                    "`{}` is {what} file of {}: its rows or its MD5 differ (see `medley data verify`)",
                    record.file, record.task.title
                );
                observers.send(&Event::Warning { message })?;
            }
        }
        if self.resumed
            && let Some(difference) = self.difference()
        {
            let message = format!("{difference}: it goes on, but not to the same bits");
            observers.send(&Event::Warning { message })?;
        }
        Ok(())
    }

    /// What keeps a run that goes on from the bits it would have had where it began.
    fn difference(&self) -> Option<String> {
        let (began, now) = (&self.folder.manifest().environment, self.environment());
        if Rules::of(&began.medley) != Some(self.experiment.rules()) {
            return Some(format!("the run was begun by medley {}, and this is {}", began.medley, now.medley));
        }
        let elsewhere = !Environment { medley: now.medley.clone(), ..began.clone() }.same_bits_as(&now);
        elsewhere.then(|| {
            "this machine, libtorch, MKL_CBWR or the compute plan is not that with which the run began".to_owned()
        })
    }

    /// Trains and scores one seed, or what is left of that; `None` when it was interrupted.
    fn run_seed(
        &mut self,
        SeedWork { seed, kept, order }: SeedWork,
        observers: &mut Observers,
        stop: &StopFlag,
    ) -> Result<Option<SeedRecord>, TrainError> {
        if kept.is_some() {
            // Its results stand: a network that is trained again is not the one that they are of.
            if CheckpointFolder::new(self.layout(), seed).is_fresh()? {
                let folder = self.layout().checkpoints(seed);
                return Err(CheckpointError::None { kind: "last", folder, skipped: Vec::new() }.into());
            }
        }
        let wanted = Wanted { validation: kept.is_none(), test: order.test };
        let chosen = kept.as_ref().map(|kept| kept.result.fine_tuned.clone()).unwrap_or_default();
        let Some(predicted) = self.predict_seed(seed, (wanted, chosen), observers, stop)? else { return Ok(None) };
        let run = format!("{}-seed{seed}", self.name());
        let (validation, mut predictions) = match (kept, predicted.validation) {
            (Some(kept), _) => (kept.result.validation, kept.predictions),
            (None, scores) => {
                let (learning, scores) = (&self.prepared.learning, scores.unwrap_or_default());
                let set = score_validation(&learning.tasks, &learning.val_labels, &scores)?;
                let predictions = self.files().write(&run, Split::Val, &set.tasks, &scores)?;
                (set, predictions)
            }
        };
        let test = match predicted.test {
            None => None,
            Some(scores) => {
                let written = self.files().write_pending(&run, &self.prepared.learning.tasks, scores)?;
                let set = self.open_and_score(&written, &format!("seed {seed}"), order.by)?;
                predictions.extend(self.files().settle(&run, &set.tasks, &written)?);
                Some(set)
            }
        };
        let stages::Predicted { best_epoch, stopped, fine_tuned, .. } = predicted;
        let result = SeedResult { seed, best_epoch, validation, test, stopped, fine_tuned };
        let record = SeedRecord { schema_version: SCHEMA_VERSION, result, predictions };
        self.files().keep(&record)?;
        observers.send(&Event::SeedScored { seed, result: record.result.clone() })?;
        Ok(Some(record))
    }

    /// Writes what the seeds begin from, in a folder that was just made. What was written before an error is removed with the folder.
    ///
    /// # Errors
    /// When the parent's files have changed meanwhile, or something cannot be written.
    pub(crate) fn inherit(self, parent: &ParentRun) -> Result<Self, TrainError> {
        let inherited = self.inherit_all(parent);
        if inherited.is_err() {
            let _ = fs_err::remove_dir_all(self.layout().root());
        }
        inherited.map(|()| self)
    }

    fn inherit_all(&self, parent: &ParentRun) -> Result<(), TrainError> {
        if parent.how() == Inheritance::Everything {
            // The curves go on where those of the parent end.
            let source = RunLayout::new(parent.root());
            let folder = ConfinedFolder::new(parent.root());
            if let Some(rows) = if_present(folder.read_file(&source.metrics(), LARGEST_METRICS))? {
                write_whole(&self.storage, &self.layout().metrics(), &rows)?;
            }
        }
        self.experiment.seeds.iter().try_for_each(|&seed| SeedRun::inherit(self.seed_request(seed, None), parent))
    }

    /// Records that test labels are opened, and opens them.
    fn open_and_score(&mut self, written: &[Written], predictor: &str, by: &str) -> Result<ScoreSet, TrainError> {
        let tasks = &self.prepared.learning.tasks;
        let hashes = tasks.iter().map(|task| task.name.clone()).zip(written.iter().map(|file| hex(&file.sha256)));
        let opening = TestOpening {
            when: utc_now(),
            by: by.to_owned(),
            predictor: predictor.to_owned(),
            sha256: hashes.collect(),
        };
        self.folder.record_opening(opening, &self.storage)?;
        score_test(tasks, &self.prepared.test, written)
    }

    /// The mean of the probabilities of all seeds, if there are several.
    fn score_ensemble(&mut self, seeds: &[Vec<Written>], by: &str) -> Result<Option<ScoreSet>, TrainError> {
        if seeds.len() < 2 {
            return Ok(None);
        }
        let mut means = Vec::new();
        for (index, task) in self.prepared.learning.tasks.iter().enumerate() {
            let all: Vec<Scores> =
                seeds.iter().filter_map(|seed| seed.get(index)).map(|file| file.scores.clone()).collect();
            let mean = Scores::mean(&all).filter(|_| all.len() == seeds.len());
            means.push(mean.ok_or_else(|| MetricError::Columns {
                task: task.name.clone(),
                actual: all.first().map_or(0, Scores::columns),
                expected: task.outputs(),
            })?);
        }
        let run = format!("{}-ensemble", self.name());
        let written = self.files().write_pending(&run, &self.prepared.learning.tasks, means)?;
        let set = self.open_and_score(&written, "ensemble", by)?;
        self.files().settle(&run, &set.tasks, &written)?;
        Ok(Some(set))
    }

    fn files(&self) -> PredictionFiles<'_> {
        PredictionFiles { layout: self.folder.layout(), storage: &self.storage }
    }

    fn attach_files(&self, observers: &mut Observers) -> Result<(), TrainError> {
        let (layout, folder) = (self.layout(), ConfinedFolder::new(self.layout().root()));
        let finished: BTreeMap<u64, Vec<(usize, usize)>> =
            self.experiment.seeds.iter().map(|&seed| (seed, self.finished_epochs(seed))).collect();
        let keep = |row: &MetricRow| {
            let ranges = finished.get(&row.seed);
            ranges.is_some_and(|ranges| ranges.iter().any(|&(start, end)| row.epoch > start && row.epoch <= end))
        };
        let settings = toml::Table::try_from(&**self.experiment).map(|table| flattened(&table)).unwrap_or_default();
        let attach = || -> anyhow::Result<_> {
            Ok((
                JsonLines::append(&folder, &layout.events(), 50)?,
                MetricsCsv::open(&folder, &layout.metrics(), &keep)?,
                TensorBoard::new(layout.clone()).describing(settings),
            ))
        };
        let (lines, metrics, tensorboard) = attach().map_err(TrainError::Observer)?;
        observers.push("events.jsonl", Box::new(lines));
        observers.push("metrics.csv", Box::new(metrics));
        observers.push("tb", Box::new(tensorboard));
        Ok(())
    }
}
