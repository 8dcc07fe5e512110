//! Errors as people and scripts see them: a chain of causes on standard error, and an exit code.

use std::process::ExitCode;

use medley_core::CoreError;
use medley_data::DataError;
use medley_metrics::MetricError;
use medley_models::ModelError;
use medley_predictions::{PredictionError, RecordError, SubmissionError};
use medley_report::ReportError;
use medley_storage::StorageError;
use medley_train::TrainError;
use medley_train::config::{SchemaError, load::ConfigError};
use medley_train::run_folder::RunFolderError;

use crate::output::note;

/// Interrupted by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// Asked to terminate.
pub(crate) const TERMINATED: u8 = 143;

/// A mistake in what was typed, that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// Prints an error with its causes and chooses the code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    let mut text = format!("error: {error}");
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Transparent wrappers repeat their source.
        if !said.contains(&cause) {
            text.push_str("\n  because: ");
            text.push_str(&cause);
            said = cause;
        }
    }
    note(&text);
    ExitCode::from(code(error))
}

/// The first cause that says whose fault it is decides.
fn code(error: &anyhow::Error) -> u8 {
    for cause in error.chain() {
        if cause.is::<Usage>() || cause.is::<SchemaError>() || cause.is::<ConfigError>() {
            return 2;
        }
        if matches!(cause.downcast_ref(), Some(ModelError::Config { .. } | ModelError::UnknownBackbone { .. })) {
            return 2;
        }
        match cause.downcast_ref() {
            Some(PredictionError::Request { .. }) => return 2,
            Some(PredictionError::Record(_)) => return 4,
            // Their source decides.
            Some(
                PredictionError::InFile { .. } | PredictionError::Truth { .. } | PredictionError::UnknownTask { .. },
            )
            | None => {}
            Some(_) => return 3,
        }
        if cause.is::<RecordError>() || cause.is::<SubmissionError>() {
            return 4;
        }
        if cause.is::<DataError>() || cause.is::<MetricError>() || cause.is::<CoreError>() {
            return 3;
        }
        if cause.is::<StorageError>() || cause.is::<RunFolderError>() || cause.is::<ReportError>() {
            return 4;
        }
        if let Some(error) = cause.downcast_ref::<TrainError>() {
            return train_code(error);
        }
    }
    1
}

fn train_code(error: &TrainError) -> u8 {
    match error {
        TrainError::Data(_) | TrainError::Core(_) | TrainError::Pretrained(_) => 3,
        TrainError::Augment(_) | TrainError::Model(_) | TrainError::NotInRun { .. } => 2,
        TrainError::Checkpoint(_) | TrainError::Storage(_) | TrainError::RunFolder(_) | TrainError::Observer(_) => 4,
        TrainError::Diverged { .. } | TrainError::DivergedScores { .. } => 5,
        _ => 1,
    }
}
