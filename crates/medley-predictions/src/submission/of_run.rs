//! The labels that a run predicts, from its standard result files.

use std::path::{Path, PathBuf};

use medley_core::{Scores, Split, TaskSpec};
use medley_metrics::decide;
use medley_storage::ConfinedFolder;

use super::{LabelRule, SubmissionError};
use crate::{RecordError, RunFiles, TableShape, result_file};

/// Predicted labels of one task's test split, checked against manifest and results, and then decided by a rule.
pub(super) fn labels(run: &RunFiles, index: usize, rule: &LabelRule<'_>) -> Result<Vec<u16>, SubmissionError> {
    let task = &run.data()[index].task;
    let path = find(run, &task.name)?;
    let rows = run.final_scores().map_or(0, |scores| scores.tasks[index].rows);
    let scores = read(run, &path, task, rows)?;
    let labels = decide(task.kind, &scores);
    check_counts(run, index, &path, &labels)?;
    let decided = rule(task, &scores).map_err(|message| SubmissionError::Predictions { path, message })?;
    Ok(decided.unwrap_or(labels))
}

/// The file of the ensemble if the run has one, else that of its only seed.
fn find(run: &RunFiles, task: &str) -> Result<PathBuf, SubmissionError> {
    let folder = run.layout.predictions();
    let ending = match &run.results {
        Some(results) if results.ensemble.is_none() => {
            results.seeds.first().map_or_else(String::new, |seed| format!("-seed{}", seed.seed))
        }
        _ => "-ensemble".to_owned(),
    };
    let (mut names, mut own) = (Vec::new(), Vec::new());
    for name in ConfinedFolder::new(run.layout.root()).list(&folder).map_err(RecordError::from)? {
        let name = name.to_string_lossy().into_owned();
        let Some(found) = result_file::parse_name(&name) else { continue };
        if !(found.is_of(task) && found.split == Split::Test && found.run.ends_with(&ending)) {
            continue;
        }
        // A run that was renamed while it was interrupted may have files of another name too.
        if found.run == format!("{}{ending}", run.manifest.run) {
            own.push(name);
        } else {
            names.push(name);
        }
    }
    let names = if own.is_empty() { names } else { own };
    match names.as_slice() {
        [name] => Ok(folder.join(name)),
        [first, second, ..] => Err(SubmissionError::AmbiguousPredictions {
            task: task.to_owned(),
            first: first.clone(),
            second: second.clone(),
        }),
        [] => Err(SubmissionError::NoPredictions {
            task: task.to_owned(),
            folder,
            wanted: format!("{task}_{}_[AUC]…_[ACC]…@…{ending}.csv", Split::Test),
        }),
    }
}

/// The probabilities of a file, if it has the rows and columns of the task.
fn read(run: &RunFiles, path: &Path, task: &TaskSpec, rows: usize) -> Result<Scores, SubmissionError> {
    let fail = |message: String| SubmissionError::Predictions { path: path.to_owned(), message };
    let shape = TableShape { kind: task.kind, classes: Some(&task.classes), rows: Some(rows) };
    let folder = ConfinedFolder::new(run.layout.root());
    let bytes = folder.read_file(path, shape.text_limit(rows)).map_err(RecordError::from)?;
    let scores = result_file::parse(&bytes).map_err(|error| fail(error.to_string()))?;
    if scores.columns() != task.classes.len() {
        return Err(fail(format!(
            "{} scores per row, but the task has {} classes",
            scores.columns(),
            task.classes.len()
        )));
    }
    if scores.rows() != rows {
        return Err(fail(format!("{} rows, but the test split has {rows} images", scores.rows())));
    }
    Ok(scores)
}

/// The results state how often each class was predicted: other counts mean another file, or another rule.
fn check_counts(run: &RunFiles, index: usize, path: &Path, labels: &[u16]) -> Result<(), SubmissionError> {
    let Some(result) = run.final_scores().map(|scores| &scores.tasks[index]) else { return Ok(()) };
    let mut counts = vec![0_u64; result.per_class.len()];
    for &label in labels {
        counts[usize::from(label)] += 1;
    }
    match counts.iter().zip(&result.per_class).position(|(&count, class)| count != class.predicted) {
        None => Ok(()),
        Some(class) => Err(SubmissionError::Predictions {
            path: path.to_owned(),
            message: format!(
                "class {class} is predicted {} times, but results.json says {}: the file is not the one that was scored",
                counts[class], result.per_class[class].predicted
            ),
        }),
    }
}
