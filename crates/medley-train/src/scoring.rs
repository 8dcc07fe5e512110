//! The one place where test labels are opened: by predictions that are written, to be compared with them.

use medley_core::record::{Resampling, ScoreIntervals, ScoreSet};
use medley_core::{Labels, Scores, ScoringToken, Split, TaskSpec};
use medley_metrics::uncertainty::SetResamples;
use medley_metrics::{Sample, evaluate, score_set};

use crate::TrainError;
use crate::data::TestData;

/// Scores of one task as they are in a file, whole.
#[derive(Debug, Clone)]
pub struct Written {
    /// What reading the file gives.
    pub scores: Scores,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

impl Written {
    fn token(&self, task: &TaskSpec) -> ScoringToken {
        ScoringToken::for_written(&task.name, self.scores.rows(), self.sha256)
    }
}

/// Scores predictions of the test split, with bootstrap intervals.
///
/// # Errors
/// When predictions do not cover the split, or a metric cannot be computed.
pub fn score_test(tasks: &[TaskSpec], test: &TestData, predictions: &[Written]) -> Result<ScoreSet, TrainError> {
    let mut results = Vec::with_capacity(tasks.len());
    for ((task, sealed), written) in tasks.iter().zip(&test.labels).zip(predictions) {
        let labels = sealed.open(&written.token(task))?;
        results.push(evaluate(task, Split::Test, labels, &written.scores)?);
    }
    let intervals = resample_test(tasks, test, predictions)?.intervals();
    Ok(ScoreSet { intervals: Some(intervals), ..score_set(results) })
}

/// Intervals of the means over seeds, from the predictions `[seed][task]` that were scored; `None` of fewer than two seeds.
///
/// # Errors
/// As [`score_test`].
pub fn mean_intervals(
    tasks: &[TaskSpec],
    test: &TestData,
    seeds: &[Vec<Written>],
) -> Result<Option<ScoreIntervals>, TrainError> {
    if seeds.len() < 2 {
        return Ok(None);
    }
    let resampled: Vec<SetResamples> =
        seeds.iter().map(|predictions| resample_test(tasks, test, predictions)).collect::<Result<_, _>>()?;
    Ok(SetResamples::mean(&resampled).map(|mean| mean.intervals()))
}

fn resample_test(tasks: &[TaskSpec], test: &TestData, predictions: &[Written]) -> Result<SetResamples, TrainError> {
    let mut samples = Vec::with_capacity(tasks.len());
    for ((task, sealed), written) in tasks.iter().zip(&test.labels).zip(predictions) {
        let labels = sealed.open(&written.token(task))?;
        samples.push(Sample::new(task, labels.clone(), written.scores.clone())?);
    }
    Ok(SetResamples::of(&samples, &Resampling::default()))
}

/// Scores predictions of the validation split.
///
/// # Errors
/// When a metric cannot be computed.
pub fn score_validation(tasks: &[TaskSpec], labels: &[Labels], predictions: &[Scores]) -> Result<ScoreSet, TrainError> {
    let mut results = Vec::with_capacity(tasks.len());
    for ((task, labels), scores) in tasks.iter().zip(labels).zip(predictions) {
        results.push(evaluate(task, Split::Val, labels, scores)?);
    }
    Ok(score_set(results))
}
