//! What people hand over, told apart and read: files, folders, submissions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use medley_core::record::DataRecord;
use medley_core::{ImageShape, Modality, Origin, RunLayout, Scores, Split, TaskKind, TaskSpec};
use medley_data::{DataError, Registry, hash_file};
use medley_metrics::read::submission::is_submission;
use medley_metrics::read::{ScoreTable, Submission};
use medley_metrics::result_file::{ResultName, parse_name};
use medley_metrics::scorecard::Prediction;
use medley_metrics::{MetricError, Sample, metric, metrics};
use medley_report::load_run;

use super::{rows_of_truth, truth};
use crate::args::score::TruthArguments;
use crate::failure::Usage;

/// Largest file of predictions or labels that is read: TissueMNIST's takes 8 MB.
const LARGEST: u64 = 4 << 30;

/// Everything that a path holds.
pub(crate) fn load(path: &Path, arguments: &TruthArguments) -> anyhow::Result<Vec<Prediction>> {
    if path.is_dir() {
        return folder(path, arguments);
    }
    let context = || format!("cannot score `{}`", path.display());
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = read(path)?;
    if name.to_lowercase().ends_with(".npy") {
        let spec = asked_task(arguments).with_context(context)?;
        let table = ScoreTable::from_npy(&bytes).with_context(context)?;
        return Ok(vec![prediction(path, spec, None, &table, arguments).with_context(context)?]);
    }
    if is_submission(&bytes) {
        return submission(path, &bytes, arguments).with_context(context);
    }
    if let Some(standard) = parse_name(&name) {
        return Ok(vec![result_file(path, &bytes, standard, None, arguments).with_context(context)?]);
    }
    let task = asked_task(arguments).with_context(context)?;
    let table = ScoreTable::from_csv(&bytes, task.kind(), task.classes()).with_context(context)?;
    Ok(vec![prediction(path, task, None, &table, arguments).with_context(context)?])
}

/// Two predictions of one task by one predictor would be one column.
pub(crate) fn refuse_doubles(predictions: &[Prediction]) -> anyhow::Result<()> {
    for (index, one) in predictions.iter().enumerate() {
        let key = |of: &Prediction| (of.predictor.clone(), of.split, of.sample.spec().name.clone());
        if let Some(other) = predictions[..index].iter().find(|other| key(other) == key(one)) {
            let (predictor, split, task) = key(one);
            bail!(Usage(format!(
                "`{}` and `{}` both hold predictions of `{task}` ({split}) by `{predictor}`; score them apart, or with \
                 `medley compare`",
                other.file, one.file
            )));
        }
    }
    Ok(())
}

/// The bytes of a file, if it is one and not too large.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let io = |source| DataError::Io { path: path.to_owned(), source };
    let about = fs_err::metadata(path).map_err(io)?;
    if !about.is_file() {
        bail!(DataError::NotAFile { path: path.to_owned(), what: "no file that can be read twice" });
    }
    if about.len() > LARGEST {
        bail!(DataError::TooLarge { path: path.to_owned(), needed: about.len(), limit: LARGEST });
    }
    if about.len() == 0 {
        bail!(DataError::Empty { path: path.to_owned() });
    }
    #[expect(clippy::disallowed_methods, reason = "the error names the path by itself")]
    Ok(std::fs::read(path).map_err(io)?)
}

/// A run folder, or any folder of result files: those of the split that was asked for.
fn folder(path: &Path, arguments: &TruthArguments) -> anyhow::Result<Vec<Prediction>> {
    let layout = RunLayout::new(path);
    let (files, data): (PathBuf, Vec<DataRecord>) = if layout.manifest().is_file() {
        (layout.predictions(), load_run(&layout)?.data().to_vec())
    } else {
        (path.to_owned(), Vec::new())
    };
    let io = |source| DataError::Io { path: files.clone(), source };
    let mut found: Vec<(ResultName, PathBuf)> = Vec::new();
    for entry in fs_err::read_dir(&files).map_err(io)? {
        let entry = entry.map_err(io)?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
        found.extend(parse_name(&name).map(|name| (name, entry)));
    }
    found.retain(|(name, _)| name.split == Split::from(arguments.split));
    if found.is_empty() {
        bail!(Usage(format!(
            "`{}` holds no result files of the {} split; their names are \
             {{flag}}{{_size}}_{{split}}_[AUC]…_[ACC]…@{{run}}.csv",
            files.display(),
            Split::from(arguments.split)
        )));
    }
    // By predictor, then in the order of the run, then by name: never in that of the file system.
    let place = |flag: &str| data.iter().position(|data| data.task.name == flag).unwrap_or(usize::MAX);
    found.sort_by(|(a, _), (b, _)| {
        (&a.run, place(&a.flag), &a.flag, a.size).cmp(&(&b.run, place(&b.flag), &b.flag, b.size))
    });
    let mut hashes = BTreeMap::new();
    let mut predictions = Vec::new();
    for (name, path) in found {
        let record = data.iter().find(|data| data.task.name == name.flag);
        let context = || format!("cannot score `{}`", path.display());
        let mut spec = record.map(|record| record.task.clone());
        if let Some(spec) = spec.as_mut().filter(|spec| spec.origin == Origin::Synthetic && arguments.labels.is_none())
        {
            // Whether labels are drawn is for their own file to say.
            spec.origin = Origin::Official;
        }
        let mut prediction = result_file(&path, &read(&path)?, name, spec, arguments).with_context(context)?;
        if let Some(record) = record.filter(|_| arguments.labels.is_none()) {
            same_data(record, &mut prediction, &mut hashes, arguments).with_context(context)?;
        }
        predictions.push(prediction);
    }
    Ok(predictions)
}

/// Predictions of a run are compared with the file that it was made with: another one is said, and drawn labels are never
/// taken for measured ones.
fn same_data(
    record: &DataRecord,
    prediction: &mut Prediction,
    hashes: &mut BTreeMap<PathBuf, String>,
    arguments: &TruthArguments,
) -> anyhow::Result<()> {
    let path = arguments.data.data.join(&record.file);
    if prediction.sample.spec().origin != record.task.origin {
        bail!(MetricError::NotPaired {
            task: record.task.name.clone(),
            reason: format!(
                "the run was made with {:?} data, but `{}` is {:?}",
                record.task.origin,
                path.display(),
                prediction.sample.spec().origin
            )
            .to_lowercase(),
        });
    }
    if !hashes.contains_key(&path) {
        hashes.insert(path.clone(), hash_file(&path)?.0);
    }
    if hashes.get(&path) != Some(&record.md5) {
        prediction.remarks.push(format!(
            "the run was made with another `{}` (MD5 {}) than that in the data folder",
            record.file, record.md5
        ));
    }
    Ok(())
}

fn result_file(
    path: &Path,
    bytes: &[u8],
    name: ResultName,
    spec: Option<TaskSpec>,
    arguments: &TruthArguments,
) -> anyhow::Result<Prediction> {
    let table = ScoreTable::from_result_file(bytes)?;
    let task = match spec {
        Some(spec) => Task::Known(spec),
        None => named_task(&name.flag, name.size, arguments)?,
    };
    let mut prediction = prediction(path, task, Some((name.size, name.split)), &table, arguments)?;
    prediction.predictor.clone_from(&name.run);
    prediction.remarks.extend(disagreement(&name, &prediction.sample));
    Ok(prediction)
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

/// A task by name: of the registry, or one of which only its labels are at hand.
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

fn asked_task(arguments: &TruthArguments) -> anyhow::Result<Task> {
    match &arguments.task {
        Some(name) => named_task(name, arguments.size, arguments),
        None => bail!(Usage(
            "its name says neither task nor split, and it is no submission: give --task NAME (and --split), or name it \
             {flag}{_size}_{split}_[AUC]…_[ACC]…@{run}.csv"
                .to_owned()
        )),
    }
}

fn named_task(name: &str, size: usize, arguments: &TruthArguments) -> anyhow::Result<Task> {
    let registry = Registry::builtin();
    match (registry.get(name), arguments.kind) {
        (Some(entry), _) => Ok(Task::Known(entry.spec(size, Origin::Official))),
        (None, Some(kind)) => Ok(Task::Own { name: name.to_owned(), kind: kind.into() }),
        (None, None) => {
            let suggestion = registry.suggest(name).map(str::to_owned);
            let hint = format!("to score a task of your own, say how `{name}` is labelled (--kind) and give --labels");
            Err(anyhow::Error::new(DataError::UnknownSet { name: name.to_owned(), suggestion }).context(hint))
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

fn prediction(
    path: &Path,
    task: Task,
    place: Option<(usize, Split)>,
    table: &ScoreTable,
    arguments: &TruthArguments,
) -> anyhow::Result<Prediction> {
    let (size, split) = place.unwrap_or((arguments.size, arguments.split.into()));
    let spec = match task {
        Task::Known(spec) => spec,
        Task::Own { name, kind } => own_spec(name, kind, table.scores.columns()),
    };
    if !arguments.any_scores {
        table.check_probabilities(spec.kind).context(
            "the scores are no probabilities; --any-scores scores them all the same, without the figures that need them",
        )?;
    }
    let (spec, labels) = truth(&spec, size, split, &table.scores, arguments)?;
    let sample = Sample::new(&spec, labels, table.scores.clone())?;
    Ok(Prediction { predictor: stem(path), split, size, file: path.display().to_string(), remarks: Vec::new(), sample })
}

fn submission(path: &Path, bytes: &[u8], arguments: &TruthArguments) -> anyhow::Result<Vec<Prediction>> {
    let sample = arguments.like.as_deref().map(read).transpose()?;
    let submission = Submission::parse(bytes, sample.as_deref())?;
    let names: Vec<&str> = submission.tasks().collect();
    if arguments.labels.is_some() && names.len() > 1 {
        bail!(Usage(format!("--labels holds the truth of one task, but the submission has {}", names.len())));
    }
    let mut predictions = Vec::new();
    for name in names {
        let spec = match named_task(name, arguments.size, arguments)? {
            Task::Known(spec) => spec,
            Task::Own { name, .. } => bail!(DataError::UnknownSet { name, suggestion: None }),
        };
        if spec.kind == TaskKind::MultiLabel {
            bail!(Usage(format!("`{name}` has several labels per image, which a submission cannot hold")));
        }
        let rows = rows_of_truth(&spec, Split::Test, arguments)?;
        let decisions = submission
            .labels(name, rows, spec.outputs())
            .map_err(|error| of_generation(error, &spec, rows, submission.rows(name)))?;
        // Finished predictions open the labels; these have no scores, so the labels themselves stand for them.
        let finished = Scores::new(decisions.iter().map(|&label| f64::from(label)).collect(), rows, 1)?;
        let (spec, labels) = truth(&spec, arguments.size, Split::Test, &finished, arguments)?;
        let sample = Sample::from_decisions(&spec, labels, decisions)?;
        predictions.push(Prediction {
            predictor: stem(path),
            split: Split::Test,
            size: arguments.size,
            file: path.display().to_string(),
            remarks: Vec::new(),
            sample,
        });
    }
    let place = |prediction: &Prediction| {
        let name = prediction.sample.spec().name.clone();
        medley_core::COMPETITION_TASKS.iter().position(|known| *known == name).unwrap_or(usize::MAX)
    };
    predictions.sort_by_key(place);
    Ok(predictions)
}

/// Adds that a submission is of the other generation of an organ file, where its number of rows says so.
fn of_generation(error: MetricError, spec: &TaskSpec, rows: usize, submitted: usize) -> anyhow::Error {
    let entry = Registry::builtin().get(&spec.name);
    let release = |rows: usize| entry.and_then(|entry| entry.releases.iter().find(|release| release.rows[2] == rows));
    let error = anyhow::Error::new(error);
    match (release(submitted), release(rows)) {
        (Some(theirs), Some(ours)) if submitted != rows => error.context(format!(
            "the submission is of the `{}` of MedMNIST {}, but the data folder has that of {}",
            spec.name, theirs.name, ours.name
        )),
        _ => error,
    }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
