//! Everything that can be scored, told apart, read, and matched with the truth.
//!
//! A path may be a result file, a submission, a table of scores, a run folder or any folder of result files. The order is always the
//! same: predictions are read to the end, then a token is made for them, and only then the labels open.

mod as_seeds;
mod computation;
mod folder;
mod run_data;
mod submission;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use medley_core::{ImageShape, Modality, Origin, Split, TaskKind, TaskSpec};
use medley_metrics::scorecard::Prediction;
use medley_metrics::{Sample, metric, metrics};
use medley_storage::Shown;

use crate::input::Input;
use crate::result_file::{ResultName, parse_evaluator_name, parse_name};
use crate::submission::is_submission;
use crate::{PredictionError, ScoreTable, TableShape};
pub use as_seeds::as_seeds;
pub use computation::{differing_computation, environment};
use run_data::RunData;
pub use truth::{PublishedTask, Truth, TruthSource};

/// Largest file of scores of a task of which nothing is known: a million images and ten classes take less.
const LARGEST_OF_OWN: u64 = 256 << 20;

/// What the names of files do not say.
#[derive(Debug, Clone)]
pub struct MatchRequest {
    /// Task of files whose name does not say it.
    pub task: Option<String>,
    /// How the labels of a task are read that the source of the truth does not know.
    pub kind: Option<TaskKind>,
    /// Split of files whose name does not say it; of a folder, the split that is scored.
    pub split: Split,
    /// Edge length of the images of files whose name does not say it.
    pub size: usize,
    /// A file with the true labels, instead of the source's own.
    pub labels: Option<PathBuf>,
    /// The competition's sample file, whose ids a submission uses.
    pub sample: Option<PathBuf>,
    /// Whether scores need not be probabilities.
    pub any_scores: bool,
    /// Whether predictions of a run may be compared with other data files than its own.
    pub allow_other_data: bool,
}

impl MatchRequest {
    /// For the files of a run, whose names and manifest say everything else.
    pub fn of_run(split: Split) -> Self {
        Self {
            task: None,
            kind: None,
            split,
            size: 28,
            labels: None,
            sample: None,
            any_scores: false,
            allow_other_data: false,
        }
    }
}

/// Reads every prediction that a path holds and matches it with the truth.
///
/// # Errors
/// [`PredictionError`], with the file and its wrong lines.
pub fn load(path: &Path, request: &MatchRequest, source: &dyn TruthSource) -> Result<Vec<Prediction>, PredictionError> {
    let matching = Matching { request, source, run: RunData::of(path)? };
    if path.is_dir() {
        return matching.folder(path);
    }
    matching.file(path).map_err(|error| error.in_file("score", path))
}

/// A result file of one task and split that is whole and will not change, matched with the truth, whatever its name is. The labels are those
/// of images of edge length `size`.
///
/// # Errors
/// As [`load`].
pub fn load_task(
    path: &Path,
    spec: &TaskSpec,
    size: usize,
    split: Split,
    request: &MatchRequest,
    source: &dyn TruthSource,
) -> Result<Prediction, PredictionError> {
    let matching = Matching { request, source, run: RunData::default() };
    let prediction = matching
        .input(path)
        .and_then(|input| matching.prediction(input, Form::ResultFile, Task::Known(spec.clone()), Some((size, split))));
    prediction.map_err(|error| error.in_file("score", path))
}

/// The only predictor of a path, or the ensemble among several.
///
/// # Errors
/// As [`load`], and when there is no telling which predictor is meant.
pub fn load_predictor(
    path: &Path,
    request: &MatchRequest,
    source: &dyn TruthSource,
) -> Result<Vec<Prediction>, PredictionError> {
    let mut predictions = load(path, request, source)?;
    refuse_doubles(&predictions)?;
    let names: BTreeSet<String> = predictions.iter().map(|prediction| prediction.predictor.clone()).collect();
    let chosen: Vec<&String> = match names.len() {
        1 => names.iter().collect(),
        _ => names.iter().filter(|name| name.ends_with("-ensemble")).collect(),
    };
    let [name] = chosen.as_slice() else {
        let names: Vec<String> = names.into_iter().collect();
        let message = format!(
            "`{}` holds predictions by several ({}), and not one ensemble; name the files of one of them",
            Shown(path),
            names.join(", ")
        );
        return Err(PredictionError::Request { message });
    };
    predictions.retain(|prediction| prediction.predictor == **name);
    Ok(predictions)
}

/// Two predictions of one task by one predictor would be one column.
///
/// # Errors
/// [`PredictionError::Request`], naming both files.
pub fn refuse_doubles(predictions: &[Prediction]) -> Result<(), PredictionError> {
    let mut seen: BTreeMap<(&str, Split, &str), &Prediction> = BTreeMap::new();
    for one in predictions {
        let (predictor, split, task) = (one.predictor.as_str(), one.split, one.sample.spec().name.as_str());
        if let Some(other) = seen.insert((predictor, split, task), one) {
            let message = format!(
                "`{}` and `{}` both hold predictions of `{task}` ({split}) by `{predictor}`; score them separately, or with \
                 `medley compare`",
                other.file, one.file
            );
            return Err(PredictionError::Request { message });
        }
    }
    Ok(())
}

/// A request, where its truth comes from, and the run that a path belongs to.
struct Matching<'a> {
    request: &'a MatchRequest,
    source: &'a dyn TruthSource,
    run: RunData,
}

/// How the scores of a file are written.
#[derive(Debug, Clone, Copy)]
enum Form {
    ResultFile,
    Csv,
    Array,
}

impl Form {
    fn parse(self, bytes: &[u8], shape: TableShape<'_>) -> Result<ScoreTable, PredictionError> {
        match self {
            Self::ResultFile => ScoreTable::from_result_file(bytes),
            Self::Csv => ScoreTable::from_csv(bytes, shape),
            Self::Array => ScoreTable::from_npy(bytes),
        }
    }

    fn limit(self, shape: TableShape<'_>, rows: usize) -> u64 {
        match self {
            Self::ResultFile | Self::Csv => shape.text_limit(rows),
            Self::Array => shape.array_limit(rows),
        }
    }
}

impl Matching<'_> {
    fn file(&self, path: &Path) -> Result<Vec<Prediction>, PredictionError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let input = self.input(path)?;
        if name.to_lowercase().ends_with(".npy") {
            return Ok(vec![self.prediction(input, Form::Array, self.requested_task()?, None)?]);
        }
        if is_submission(input.head()) {
            return self.submission(input);
        }
        if let Some(name) = self.result_name(&name) {
            return Ok(vec![self.result_file(input, name)?]);
        }
        Ok(vec![self.prediction(input, Form::Csv, self.requested_task()?, None)?])
    }

    /// What a file's name says: of the standard form, or of the wider one that the official evaluator takes where its flag is known
    /// and no other task was asked for.
    fn result_name(&self, name: &str) -> Option<ResultName> {
        let asked = |found: &ResultName| self.request.task.as_ref().is_none_or(|task| found.is_of(task));
        let known = |found: &ResultName| {
            self.run.position(found).is_some() || self.source.task(&found.flag, found.size).is_ok()
        };
        parse_name(name).or_else(|| parse_evaluator_name(name).filter(|found| asked(found) && known(found)))
    }

    /// A result file; what the run that it belongs to says of the task comes first.
    fn result_file(&self, input: Input, name: ResultName) -> Result<Prediction, PredictionError> {
        let task = match self.task_of_run(&name) {
            Some(spec) => Task::Known(spec),
            None => self.named_task(&name.flag, name.size)?,
        };
        let mut prediction = self.prediction(input, Form::ResultFile, task, Some((name.size, name.split)))?;
        prediction.predictor.clone_from(&name.run);
        prediction.remarks.extend(disagreement(&name, &prediction.sample));
        Ok(prediction)
    }

    fn prediction(
        &self,
        input: Input,
        form: Form,
        task: Task,
        size_and_split: Option<(usize, Split)>,
    ) -> Result<Prediction, PredictionError> {
        let (size, split) = size_and_split.unwrap_or((self.request.size, self.request.split));
        let path = input.path().to_owned();
        let ((truth, remark), mut table, bytes) = match task {
            Task::Known(spec) => {
                let (truth, remark) = self.checked_truth(&spec, size, split)?;
                let shape =
                    TableShape { kind: spec.kind, classes: Some(&spec.classes), rows: Some(truth.labels.rows()) };
                let rows = self.most_rows(&truth, split);
                let what = format!("scores of {rows} images and {} classes", spec.outputs());
                let bytes = input.read(form.limit(shape, rows), &what)?;
                ((truth, remark), form.parse(&bytes, shape)?, bytes)
            }
            Task::Own { name, kind } => {
                let two = ["0".to_owned(), "1".to_owned()];
                let shape = TableShape { kind, classes: (kind == TaskKind::Binary).then_some(&two[..]), rows: None };
                let bytes = input.read(LARGEST_OF_OWN, "scores of a task of one's own")?;
                let table = form.parse(&bytes, shape)?;
                let spec = own_spec(name, kind, table.scores.columns());
                ((self.truth(&spec, size, split)?, None), table, bytes)
            }
        };
        if !self.request.any_scores {
            table
                .check_probabilities(truth.spec.kind)
                .map_err(|error| PredictionError::NotProbabilities { source: Box::new(error) })?;
        }
        let labels = self.open(&truth, split, table.scores.rows(), &bytes)?;
        let sample = Sample::new(&truth.spec, labels, table.scores)?;
        table.remarks.extend(remark);
        Ok(Prediction { remarks: table.remarks, ..new_prediction(&path, size, split, sample) })
    }

    fn requested_task(&self) -> Result<Task, PredictionError> {
        match &self.request.task {
            Some(name) => self.named_task(name, self.request.size),
            None => Err(PredictionError::Request {
                message:
                    "its name does not say task and split, and it is not a submission: give --task NAME (and --split), or \
                          name it as breastmnist_test_[AUC]0.901_[ACC]0.863@run1.csv"
                        .to_owned(),
            }),
        }
    }

    fn named_task(&self, name: &str, size: usize) -> Result<Task, PredictionError> {
        match (self.source.task(name, size), self.request.kind) {
            (Ok(task), _) => Ok(Task::Known(task.spec)),
            (Err(_), Some(kind)) => Ok(Task::Own { name: name.to_owned(), kind }),
            (Err(source), None) => Err(PredictionError::UnknownTask { task: name.to_owned(), source }),
        }
    }
}

fn new_prediction(path: &Path, size: usize, split: Split, sample: Sample) -> Prediction {
    let predictor = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Prediction { predictor, split, size, file: path.display().to_string(), remarks: Vec::new(), sample }
}

/// A name has three decimals; the official evaluator rounds.
fn disagreement(name: &ResultName, sample: &Sample) -> Vec<String> {
    let of = |id: &str| metrics::by_id(id).and_then(|metric| metric::value(metric, sample));
    let pairs = [("AUC", name.auc, of("auc")), ("ACC", name.accuracy, of("accuracy"))];
    let differ = pairs.into_iter().filter_map(|(title, said, found)| {
        let (said, found) = (said?, found?);
        ((said - found).abs() > 0.000_501)
            .then(|| format!("the file's name says {title} {said:.3}, but its content gives {found:.3}"))
    });
    differ.collect()
}

/// A task by name: one that the source of the truth knows, or one of which only its labels are at hand.
enum Task {
    Known(TaskSpec),
    Own { name: String, kind: TaskKind },
}

/// One's own task has as many classes as its predictions have columns.
fn own_spec(name: String, kind: TaskKind, columns: usize) -> TaskSpec {
    let classes = if kind == TaskKind::Binary { 2 } else { columns.max(1) };
    TaskSpec {
        title: name.clone(),
        name,
        kind,
        modality: Modality::Other,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(1, 1, 1),
        origin: Origin::User,
    }
}
