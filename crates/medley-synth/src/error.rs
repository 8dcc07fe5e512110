//! Why a set could not be generated.

use std::path::PathBuf;

use medley_data::DataError;

/// Why a set could not be generated.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// An unknown set or size, or a file that cannot be written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// There is no generator for a set of this name, shape or classes.
    #[error("a synthetic `{name}` cannot be generated: {problem}")]
    Unsupported {
        /// The set.
        name: String,
        /// Why not.
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
}
