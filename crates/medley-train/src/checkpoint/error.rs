//! What can be wrong with a checkpoint.

use std::path::PathBuf;

use medley_storage::{ReadError, Shown, StorageError};

use super::STATE_FILE;

/// Why a checkpoint could not be used.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Writing failed; older checkpoints are untouched.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file is missing or cannot be read, or is not read: a link, a pipe, a file larger than such a file can be.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The state is not what this program writes.
    #[error("checkpoint `{}` has a bad {STATE_FILE}: {problem}", Shown(path))]
    BadState {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file was changed or damaged after it was written.
    #[error("checkpoint file `{}` does not have the SHA-256 that was recorded with it: it is damaged", Shown(path))]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The tensors do not fit the network of the config.
    #[error("checkpoint `{}` does not fit: {problem}", Shown(path))]
    Misfit {
        /// The checkpoint.
        path: PathBuf,
        /// The lists of names.
        problem: String,
    },
    /// There is none that can be used.
    #[error("no usable {kind} checkpoint in `{}`{}", Shown(folder), skipped_text(skipped))]
    None {
        /// `best`, `last` or `ingredient`.
        kind: &'static str,
        /// Where they were looked for.
        folder: PathBuf,
        /// Those that were found and not used, with the reason.
        skipped: Vec<String>,
    },
}

fn skipped_text(skipped: &[String]) -> String {
    if skipped.is_empty() {
        "; one is written when an epoch has finished".to_owned()
    } else {
        format!("; not used: {}", skipped.join("; "))
    }
}
