//! Why a run could not be logged.

use medley_predictions::RecordError;
use medley_storage::ReadError;

/// Why a run could not be logged. What was logged before stays, and logging it again goes on.
#[derive(Debug, thiserror::Error)]
pub enum MlflowError {
    /// The run folder.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A file of the run folder.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// An address that is none of a server.
    #[error("`{url}` is not the address of an MLflow server: {problem}; give one such as http://127.0.0.1:5000")]
    Address {
        /// As given, without a password.
        url: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Nobody answers.
    #[error(
        "cannot reach the MLflow server at `{url}`: {problem}; is it running? `mlflow server --port 5000` starts one"
    )]
    Unreachable {
        /// The address, without a password.
        url: String,
        /// What happened.
        problem: String,
    },
    /// It answers that it will not.
    #[error("the MLflow server at `{url}` answered {status} to {what}: {problem}")]
    Refused {
        /// The address, without a password.
        url: String,
        /// HTTP status.
        status: u16,
        /// What was asked of it.
        what: String,
        /// What it says.
        problem: String,
    },
    /// It answers something else than MLflow does.
    #[error("what answers at `{url}` is not an MLflow server, or is of another version: {what} gave {problem}")]
    Answer {
        /// The address, without a password.
        url: String,
        /// What was asked of it.
        what: String,
        /// What is wrong with the answer.
        problem: String,
    },
}
