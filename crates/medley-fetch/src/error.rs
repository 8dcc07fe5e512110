//! Why a file could not be fetched.

use std::path::PathBuf;

use medley_data::DataError;
use medley_storage::StorageError;

/// Why a file could not be fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The set has no such size, or a file on disk cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The disk is full or may not be written.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file that may not be replaced is in the way.
    #[error("`{}` exists and {problem}", path.display())]
    InTheWay {
        /// The path.
        path: PathBuf,
        /// Why it is not replaced, and what would do it.
        problem: &'static str,
    },
    /// A download failed for good.
    #[error("cannot fetch `{url}`: {problem}")]
    Download {
        /// Where from.
        url: String,
        /// What happened, and what to do.
        problem: String,
    },
    /// A download is complete and not what was published.
    #[error("`{url}` has MD5 {actual}, not {expected}: it is kept as `{}` and not used", kept.display())]
    WrongHash {
        /// Where from.
        url: String,
        /// As published.
        expected: String,
        /// As received.
        actual: String,
        /// Where it is kept.
        kept: PathBuf,
    },
}
