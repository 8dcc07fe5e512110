use std::path::PathBuf;

use medley_search::SearchError;
use medley_storage::{ReadError, Shown, StorageError};

/// Why nothing could be said of a study.
#[derive(Debug, thiserror::Error)]
pub enum StudiesError {
    /// The study.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A file of it.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The result could not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A record cannot be understood.
    #[error("`{}` is damaged: {problem}; remove it, and `medley study confirm` makes it again", Shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The page could not be put together.
    #[error("the page of the study cannot be rendered")]
    Render(#[from] askama::Error),
}
