//! Why images could not be imported, exported or shown.

use std::path::PathBuf;

use medley_data::DataError;
use medley_storage::StorageError;

/// Why images could not be imported, exported or shown.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A data file that cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Images cannot be made a data set.
    #[error("`{}`: {problem}", path.display())]
    Source {
        /// Where they come from.
        path: PathBuf,
        /// What is wrong, and what helps.
        problem: String,
    },
    /// A picture cannot be made.
    #[error("`{}`: {problem}", path.display())]
    Image {
        /// The picture.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file that may not be replaced is in the way.
    #[error("`{}` exists and {problem}", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// Why it is not replaced, and what would do it.
        problem: &'static str,
    },
    /// Test labels were asked for without a token.
    #[error(
        "test labels of `{name}` are sealed until scoring; `--open-test-labels` opens them, to look at and not to train on"
    )]
    Sealed {
        /// The set.
        name: String,
    },
}

impl From<StorageError> for ImportError {
    fn from(error: StorageError) -> Self {
        Self::Data(error.into())
    }
}
