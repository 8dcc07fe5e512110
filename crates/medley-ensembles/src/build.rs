//! Averages the validation predictions of the members, and writes the folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::names::is_name;
use medley_core::record::{PredictionRecord, SCHEMA_VERSION};
use medley_core::text::{hex, widened};
use medley_core::{Labels, RunLayout, Scores, Split};
use medley_decisions::FitOptions;
use medley_decisions::ensemble::{Method, average, weigh};
use medley_metrics::{evaluate, score_set};
use medley_predictions::matching::load;
use medley_predictions::{MatchRequest, RunFiles, SeedPredictions, TruthSource, of_seeds, result_file};
use medley_storage::{Storage, StorageError, create_folder, fill_directory};
use sha2::{Digest as _, Sha256};

use crate::{EnsembleError, Member, PredictionFile, Record, TaskEnsemble, TaskPlan, plan};

/// Name of the record in the folder.
pub(crate) const RECORD: &str = "ensemble.json";
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
    /// How weights are fitted and judged.
    pub options: FitOptions,
    /// Whether [`open_test`](crate::open_test) will follow: then the members must have predicted the test split, which is checked before
    /// anything is written.
    pub test: bool,
    /// Whether runs need no task in common.
    pub collect: bool,
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
    pub(crate) plans: Vec<TaskPlan>,
}

/// One task, averaged.
struct Averaged {
    task: TaskEnsemble,
    labels: Labels,
    scores: Scores,
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
    let plans = plan(&runs, request.collect)?;
    let averaged = plans.iter().map(|plan| of_task(sources, plan, request)).collect::<Result<Vec<_>, _>>()?;
    let mut results = Vec::with_capacity(plans.len());
    for (plan, one) in plans.iter().zip(&averaged) {
        results.push(evaluate(&plan.data.task, Split::Val, &one.labels, &one.scores)?);
    }
    if request.test {
        plans.iter().try_for_each(|plan| predictions_of(sources, plan, Split::Test).map(drop))?;
    }
    create_folder(&request.runs)?;
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
        files.push((format!("predictions/{file}"), bytes));
    }
    let tasks: Vec<TaskEnsemble> = averaged.into_iter().map(|one| one.task).collect();
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
        tasks,
        validation: score_set(results),
        test: None,
        predictions,
        test_openings: Vec::new(),
    };
    files.push((RECORD.to_owned(), encode(&record)?));
    fill_directory(storage, layout.root(), |write| {
        files.iter().try_for_each(|(name, bytes)| write(name, bytes)).map_err(EnsembleError::from)
    })?;
    Ok(Built { layout, record, plans })
}

fn of_task(sources: &[Source<'_>], plan: &TaskPlan, request: &Request) -> Result<Averaged, EnsembleError> {
    let seeds = predictions_of(sources, plan, Split::Val)?;
    let labels = validation_labels(sources, plan, &seeds)?;
    let scores: Vec<Scores> = seeds.iter().map(|(_, seed)| seed.scores.clone()).collect();
    let weighed = weigh(&plan.data.task, &scores, &labels, request.method, &request.options)?;
    let scores = as_printed(&average(&scores, &weighed.weights)?)?;
    let member = |(run, seed): &(usize, SeedPredictions)| Member {
        run: sources[*run].run.layout.name(),
        seed: seed.seed,
        files: BTreeMap::from([(Split::Val, file_of(seed))]),
    };
    let members = seeds.iter().map(member).collect();
    Ok(Averaged { task: TaskEnsemble { task: plan.data.task.name.clone(), members, weighed }, labels, scores })
}

/// What every member says of a split, run by run; none opens a label.
pub(crate) fn predictions_of(
    sources: &[Source<'_>],
    plan: &TaskPlan,
    split: Split,
) -> Result<Vec<(usize, SeedPredictions)>, EnsembleError> {
    let mut all: Vec<(usize, SeedPredictions)> = Vec::new();
    for &index in &plan.runs {
        let run = &sources[index].run;
        let data = run.data().iter().find(|data| data.task.name == plan.data.task.name);
        for seed in of_seeds(run, data.unwrap_or(&plan.data), split)? {
            if let Some((first, known)) = all.first().filter(|(_, known)| known.scores.rows() != seed.scores.rows()) {
                return Err(EnsembleError::Rows {
                    task: plan.data.task.name.clone(),
                    split,
                    first: sources[*first].run.layout.root().to_owned(),
                    first_rows: known.scores.rows(),
                    other: run.layout.root().to_owned(),
                    other_rows: seed.scores.rows(),
                });
            }
            all.push((index, seed));
        }
    }
    Ok(all)
}

/// The labels of the validation split, by the first member's file: they are matched with the very data file of its run.
fn validation_labels(
    sources: &[Source<'_>],
    plan: &TaskPlan,
    seeds: &[(usize, SeedPredictions)],
) -> Result<Labels, EnsembleError> {
    let Some((run, seed)) = seeds.first() else { return Err(EnsembleError::NoRuns) };
    let found = load(&seed.path, &MatchRequest::of_run(Split::Val), sources[*run].truth)?;
    let of_task = found.into_iter().find(|prediction| prediction.sample.spec().name == plan.data.task.name);
    of_task.map(|prediction| prediction.sample.labels().clone()).ok_or(EnsembleError::NoRuns)
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

pub(crate) fn encode(record: &Record) -> Result<Vec<u8>, EnsembleError> {
    let json = serde_json::to_vec_pretty(record);
    json.map_err(|error| EnsembleError::Encode { problem: error.to_string() })
}

pub(crate) fn file_of(seed: &SeedPredictions) -> PredictionFile {
    PredictionFile { file: file_name(&seed.path), sha256: seed.sha256.clone() }
}

pub(crate) fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
