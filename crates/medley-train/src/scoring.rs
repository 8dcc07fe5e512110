//! The one place where test labels are opened: by finished predictions, to be compared with them.

use medley_core::record::ScoreSet;
use medley_core::{Labels, Scores, ScoringToken, Split, TaskSpec};
use medley_metrics::{evaluate, score_set};

use crate::TrainError;
use crate::data::TestData;

/// Scores predictions of the test split.
///
/// # Errors
/// When predictions do not cover the split, or a figure cannot be computed.
pub fn score_test(tasks: &[TaskSpec], test: &TestData, predictions: &[Scores]) -> Result<ScoreSet, TrainError> {
    let mut results = Vec::with_capacity(tasks.len());
    for ((task, sealed), scores) in tasks.iter().zip(&test.labels).zip(predictions) {
        let token = ScoringToken::for_predictions(&task.name, scores);
        results.push(evaluate(task, Split::Test, sealed.open(&token)?, scores)?);
    }
    Ok(score_set(results))
}

/// Scores predictions of the validation split.
///
/// # Errors
/// When a figure cannot be computed.
pub fn score_validation(tasks: &[TaskSpec], labels: &[Labels], predictions: &[Scores]) -> Result<ScoreSet, TrainError> {
    let mut results = Vec::with_capacity(tasks.len());
    for ((task, labels), scores) in tasks.iter().zip(labels).zip(predictions) {
        results.push(evaluate(task, Split::Val, labels, scores)?);
    }
    Ok(score_set(results))
}
