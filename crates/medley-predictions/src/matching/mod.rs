//! Everything that can be scored, told apart, read, and matched with the truth.
//!
//! A path may be a result file, a submission, a table of scores, a run folder or any folder of result files. The order is always the
//! same: predictions are read to the end, then a token is made for them, and only then the labels open.

mod computation;
mod folder;
mod submission;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use medley_core::{ImageShape, Modality, Origin, Split, TaskKind, TaskSpec};
use medley_metrics::scorecard::Prediction;
use medley_metrics::{Sample, metric, metrics};

use crate::result_file::{ResultName, parse_name};
use crate::submission::is_submission;
use crate::{PredictionError, ScoreTable};
pub use computation::{differing_computation, environment};
pub use truth::{PublishedTask, Truth, TruthSource};

/// Largest file of predictions or labels that is read: TissueMNIST's takes 8 MB.
const LARGEST: u64 = 4 << 30;

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
}

/// Reads every prediction that a path holds and matches it with the truth.
///
/// # Errors
/// [`PredictionError`], with the file and its wrong lines.
pub fn load(path: &Path, request: &MatchRequest, source: &dyn TruthSource) -> Result<Vec<Prediction>, PredictionError> {
    let matching = Matching { request, source };
    if path.is_dir() {
        return matching.folder(path);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = read(path)?;
    matching.file(path, &name, &bytes).map_err(|error| error.in_file("score", path))
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
            "`{}` holds predictions of several models ({}) and no ensemble; name the files of one of them",
            path.display(),
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

/// The bytes of a file, if it is one and not too large.
fn read(path: &Path) -> Result<Vec<u8>, PredictionError> {
    let io = |source| PredictionError::Io { path: path.to_owned(), source };
    let unreadable = |problem: String| Err(PredictionError::Unreadable { path: path.to_owned(), problem });
    let about = fs_err::metadata(path).map_err(io)?;
    if !about.is_file() {
        return unreadable("is not a regular file".to_owned());
    }
    if about.len() > LARGEST {
        return unreadable(format!("holds {} bytes; at most {LARGEST} are read", about.len()));
    }
    if about.len() == 0 {
        return unreadable("is empty (0 bytes)".to_owned());
    }
    #[expect(clippy::disallowed_methods, reason = "the error names the path by itself")]
    std::fs::read(path).map_err(io)
}

/// A request and where its truth comes from.
struct Matching<'a> {
    request: &'a MatchRequest,
    source: &'a dyn TruthSource,
}

impl Matching<'_> {
    fn file(&self, path: &Path, name: &str, bytes: &[u8]) -> Result<Vec<Prediction>, PredictionError> {
        if name.to_lowercase().ends_with(".npy") {
            let task = self.requested_task()?;
            let table = ScoreTable::from_npy(bytes)?;
            return Ok(vec![self.prediction(path, bytes, task, None, &table)?]);
        }
        if is_submission(bytes) {
            return self.submission(path, bytes);
        }
        if let Some(standard) = parse_name(name) {
            return Ok(vec![self.result_file(path, bytes, standard, None)?]);
        }
        let task = self.requested_task()?;
        let table = ScoreTable::from_csv(bytes, task.kind(), task.classes())?;
        Ok(vec![self.prediction(path, bytes, task, None, &table)?])
    }

    /// A result file; `spec` is what the run that it belongs to says of the task.
    fn result_file(
        &self,
        path: &Path,
        bytes: &[u8],
        name: ResultName,
        spec: Option<TaskSpec>,
    ) -> Result<Prediction, PredictionError> {
        let table = ScoreTable::from_result_file(bytes)?;
        let task = match spec {
            Some(spec) => Task::Known(spec),
            None => self.named_task(&name.flag, name.size)?,
        };
        let mut prediction = self.prediction(path, bytes, task, Some((name.size, name.split)), &table)?;
        prediction.predictor.clone_from(&name.run);
        prediction.remarks.extend(disagreement(&name, &prediction.sample));
        Ok(prediction)
    }

    fn prediction(
        &self,
        path: &Path,
        bytes: &[u8],
        task: Task,
        size_and_split: Option<(usize, Split)>,
        table: &ScoreTable,
    ) -> Result<Prediction, PredictionError> {
        let (size, split) = size_and_split.unwrap_or((self.request.size, self.request.split));
        let spec = match task {
            Task::Known(spec) => spec,
            Task::Own { name, kind } => own_spec(name, kind, table.scores.columns()),
        };
        if !self.request.any_scores {
            table
                .check_probabilities(spec.kind)
                .map_err(|error| PredictionError::NotProbabilities { source: Box::new(error) })?;
        }
        let truth = self.truth(&spec, size, split)?;
        let labels = self.open(&truth, split, table.scores.rows(), bytes)?;
        let sample = Sample::new(&truth.spec, labels, table.scores.clone())?;
        Ok(new_prediction(path, size, split, sample))
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
    let pairs = [("AUC", name.auc, of("auc")), ("ACC", Some(name.accuracy), of("accuracy"))];
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

impl Task {
    fn kind(&self) -> TaskKind {
        match self {
            Self::Known(spec) => spec.kind,
            Self::Own { kind, .. } => *kind,
        }
    }

    fn classes(&self) -> Option<usize> {
        match self {
            Self::Known(spec) => Some(spec.outputs()),
            Self::Own { kind, .. } => (*kind == TaskKind::Binary).then_some(2),
        }
    }
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
