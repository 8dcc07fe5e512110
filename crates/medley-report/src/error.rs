use medley_predictions::RecordError;
use medley_storage::StorageError;

/// Why a run folder could not be read, or nothing be made of it.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The run folder cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The run has more than a page can show.
    #[error(
        "the run has {found} {what}, more than the {limit} that a page can show; `medley report --print csv` prints its results"
    )]
    TooMuch {
        /// Such as `tasks`.
        what: &'static str,
        /// How many.
        found: usize,
        /// The limit.
        limit: usize,
    },
    /// A section of the report could not be put together.
    #[error("section `{section}` of the report cannot be rendered")]
    Render {
        /// Its id.
        section: String,
        /// What the template said.
        #[source]
        source: askama::Error,
    },
    /// The result could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
