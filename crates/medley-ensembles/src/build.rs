//! Averages the validation predictions of the members, and writes the folder.

use std::path::{Path, PathBuf};

use medley_core::names::is_name;
use medley_core::record::{PredictionRecord, Resampling, SCHEMA_VERSION, ScoreSet};
use medley_core::text::{hex, widened};
use medley_core::{RunLayout, Scores, Split};
use medley_decisions::curves::curves;
use medley_decisions::ensemble::{Method, average, weigh};
use medley_decisions::record::{DecisionRecord, TaskDecisions};
use medley_decisions::{Decisions, FitOptions, Rows, fit};
use medley_metrics::uncertainty::SetResamples;
use medley_metrics::{Sample, evaluate, score_set};
use medley_predictions::folds::Complete;
use medley_predictions::record::read_json;
use medley_predictions::{RunFiles, TruthSource, result_file};
use medley_storage::{FolderLock, Storage, StorageError, create_folder, fill_directory, sweep_unfinished};
use sha2::{Digest as _, Sha256};

use crate::members::{file_name, gather};
use crate::{EnsembleError, Folds, Record, TaskEnsemble, TaskPlan, plan};

/// Name of the record in the folder.
pub(crate) const RECORD: &str = "ensemble.json";
/// Name of the record of decision rules, as in a run folder.
pub(crate) const DECISIONS: &str = "decisions.json";
/// Name of the folder of its predictions.
const PREDICTIONS: &str = "predictions";
/// Largest record that is read.
const LARGEST: u64 = 256 << 20;
/// Folders of one name that are tried.
const MOST_OF_ONE_NAME: usize = 100_000;

/// A run, and where its true labels come from.
pub struct Source<'a> {
    /// The run.
    pub run: RunFiles,
    /// Its data folder.
    pub truth: &'a dyn TruthSource,
}

/// What is to be made.
#[derive(Debug, Clone)]
pub struct Request {
    /// How members are weighted.
    pub method: Method,
    /// How weights and rules are fitted and judged.
    pub options: FitOptions,
    /// Whether decision rules are fitted too, on the predictions of each row by weights that were not fitted on it.
    pub decide: bool,
    /// Whether [`open_test`](crate::open_test) will follow: then the members must have predicted the test split, which is checked before
    /// anything is written.
    pub test: bool,
    /// Whether runs need no task in common.
    pub collect: bool,
    /// Which folds of a recipe have to be there.
    pub complete: Complete,
    /// Name of the folder, to which a number is added.
    pub name: String,
    /// The folder that it is made in.
    pub runs: PathBuf,
    /// The time as RFC 3339 in UTC, for the record.
    pub now: String,
    /// Version of the program, for the record.
    pub medley: String,
}

/// An ensemble that is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Built {
    /// Its folder.
    pub layout: RunLayout,
    /// What `ensemble.json` says.
    pub record: Record,
    /// What `decisions.json` says, if rules were asked for.
    pub decisions: Option<DecisionRecord>,
    pub(crate) plans: Vec<TaskPlan>,
}

impl Built {
    /// An ensemble that was written earlier, of the runs that it was made of, in their order.
    ///
    /// # Errors
    /// Records that cannot be read; [`EnsembleError::Members`] for other runs.
    pub fn read(layout: &RunLayout, sources: &[Source<'_>]) -> Result<Self, EnsembleError> {
        let record: Option<Record> = read_json(layout, &layout.root().join(RECORD), LARGEST)?;
        let decisions: Option<DecisionRecord> = read_json(layout, &layout.decisions(), LARGEST)?;
        let runs: Vec<RunFiles> = sources.iter().map(|source| source.run.clone()).collect();
        let plans = plan(&runs, true, Complete::FirstRepeat)?;
        let changed = |task: &str| EnsembleError::Members { task: task.to_owned() };
        let record = record.ok_or_else(|| changed(&layout.name()))?;
        let names: Vec<String> = runs.iter().map(|run| run.layout.name()).collect();
        let alike = record.tasks.len() == plans.len()
            && record.tasks.iter().zip(&plans).all(|(task, plan)| task.task == plan.data.task.name);
        if record.runs != names || !alike {
            return Err(changed(record.tasks.first().map_or("", |task| &task.task)));
        }
        Ok(Self { layout: layout.clone(), record, decisions, plans })
    }
}

/// One task, averaged.
struct Averaged {
    task: TaskEnsemble,
    /// Of each row, by weights that were not fitted on it.
    scores: Scores,
    decisions: Option<TaskDecisions>,
}

/// Makes an ensemble of finished runs by their validation predictions, and writes its folder: whole, or nothing. The test split is neither
/// read nor opened. The same runs and options give the same bits.
///
/// # Errors
/// As [`plan()`]; [`EnsembleError::Name`]; whatever is wrong with a run, its predictions or the data; the disk.
pub fn build(sources: &[Source<'_>], request: &Request, storage: &dyn Storage) -> Result<Built, EnsembleError> {
    if !is_name(&request.name) {
        return Err(EnsembleError::Name { name: request.name.clone() });
    }
    let runs: Vec<RunFiles> = sources.iter().map(|source| source.run.clone()).collect();
    let plans = plan(&runs, request.collect, request.complete)?;
    let found = plans.iter().map(|plan| of_task(sources, plan, request)).collect::<Result<Vec<_>, _>>()?;
    let (averaged, samples): (Vec<Averaged>, Vec<Sample>) = found.into_iter().unzip();
    let mut results = Vec::with_capacity(plans.len());
    for ((plan, one), sample) in plans.iter().zip(&averaged).zip(&samples) {
        results.push(evaluate(&plan.data.task, Split::Val, sample.labels(), &one.scores)?);
    }
    if request.test {
        plans.iter().try_for_each(|plan| gather(sources, plan, Split::Test).map(drop))?;
    }
    let intervals = SetResamples::of(&samples, &Resampling::default()).intervals();
    let mut decide_by = Decisions::default();
    for (plan, one) in plans.iter().zip(&averaged) {
        if let Some(decisions) = &one.decisions {
            decide_by.insert(plan.data.task.name.clone(), decisions.predictor.decision(&plan.data.task)?);
        }
    }
    create_folder(&request.runs)?;
    sweep_unfinished(&request.runs, &[PREDICTIONS, RECORD, DECISIONS]);
    let _filling = FolderLock::shared(&request.runs);
    let root = free_folder(&request.runs, &request.name)?;
    let layout = RunLayout::new(root);
    let mut files = Vec::new();
    let mut predictions = Vec::new();
    for (result, one) in results.iter().zip(&averaged) {
        let path = layout.prediction_file(&result.task, Split::Val, result.auc, result.accuracy, &layout.name());
        let (file, bytes) = (file_name(&path), result_file::render(&one.scores));
        predictions.push(PredictionRecord {
            task: result.task.clone(),
            split: Split::Val,
            file: file.clone(),
            sha256: hex(&Sha256::digest(&bytes)),
        });
        files.push((format!("{PREDICTIONS}/{file}"), bytes));
    }
    let (tasks, decisions): (Vec<TaskEnsemble>, Vec<Option<TaskDecisions>>) =
        averaged.into_iter().map(|one| (one.task, one.decisions)).unzip();
    let decisions = request.decide.then(|| DecisionRecord {
        schema_version: SCHEMA_VERSION,
        run: layout.name(),
        decide_by,
        options: request.options,
        tasks: decisions.into_iter().flatten().collect(),
    });
    let recipe = plans.first().and_then(|plan| plan.recipes.first());
    let record = Record {
        schema_version: SCHEMA_VERSION,
        name: layout.name(),
        created: request.now.clone(),
        medley: request.medley.clone(),
        method: request.method,
        options: request.options,
        synthetic: runs.iter().any(RunFiles::is_synthetic),
        runs: runs.iter().map(|run| run.layout.name()).collect(),
        members_compared: tasks.iter().map(|task| task.members.len()).sum(),
        data: plans.iter().map(|plan| plan.data.clone()).collect(),
        folds: recipe.map(|recipe| Folds { count: recipe.count, repeats: recipe.runs.len() / recipe.count }),
        tasks,
        validation: ScoreSet { intervals: Some(intervals), ..score_set(results) },
        test: None,
        predictions,
        test_openings: Vec::new(),
    };
    files.push((RECORD.to_owned(), encode(&record)?));
    if let Some(decisions) = &decisions {
        files.push((DECISIONS.to_owned(), encode(decisions)?));
    }
    fill_directory(storage, layout.root(), |write| {
        files.iter().try_for_each(|(name, bytes)| write(name, bytes)).map_err(EnsembleError::from)
    })?;
    Ok(Built { layout, record, decisions, plans })
}

/// The task, and the rows that it is scored on.
fn of_task(sources: &[Source<'_>], plan: &TaskPlan, request: &Request) -> Result<(Averaged, Sample), EnsembleError> {
    let gathered = gather(sources, plan, Split::Val)?;
    let labels = gathered.labels(sources, plan)?;
    let spec = &plan.data.task;
    let rows = Rows::new(spec, &labels);
    let rows = gathered.pool.as_ref().map_or(rows, |pool| rows.in_folds(&pool.folds));
    let mut weighed = weigh(&rows, &gathered.scores, request.method, &request.options)?;
    let scores = match weighed.held_out.take() {
        Some(held_out) => as_printed(&held_out)?,
        None => as_printed(&average(&gathered.scores, &weighed.weights)?)?,
    };
    let mut decisions = None;
    if request.decide {
        // Of folds, all rows are here, and their frequencies are those of training.
        let counts = plan.data.class_counts.get(&Split::Train).map(Vec::as_slice);
        let predictor = fit(&rows, &scores, counts, &request.options)?;
        let (task, kind) = (spec.name.clone(), spec.kind);
        let curves = curves(kind, &scores, &labels);
        decisions = Some(TaskDecisions { task, kind, predictor, curves, seeds: Vec::new(), test: None });
    }
    let task = TaskEnsemble { task: spec.name.clone(), members: gathered.members, weighed };
    let sample = Sample::new(spec, labels, scores.clone())?;
    Ok((Averaged { task, scores, decisions }, sample))
}

/// Averages as files hold them: the shortest decimals of 32-bit numbers, as those of the members. What is written is also what is scored.
pub(crate) fn as_printed(scores: &Scores) -> Result<Scores, EnsembleError> {
    let values = scores.view().iter().map(|&score| widened(score as f32)).collect();
    Ok(Scores::new(values, scores.rows(), scores.columns())?)
}

/// The first `NAME-1`, `NAME-2`, … that is not there.
fn free_folder(runs: &Path, name: &str) -> Result<PathBuf, EnsembleError> {
    let mut numbered = (1..=MOST_OF_ONE_NAME).map(|number| runs.join(format!("{name}-{number}")));
    let free = numbered.find(|path| path.symlink_metadata().is_err());
    free.ok_or_else(|| StorageError::Exists { path: runs.join(format!("{name}-{MOST_OF_ONE_NAME}")) }.into())
}

pub(crate) fn encode(record: &impl serde::Serialize) -> Result<Vec<u8>, EnsembleError> {
    let json = serde_json::to_vec_pretty(record);
    json.map_err(|error| EnsembleError::Encode { problem: error.to_string() })
}
