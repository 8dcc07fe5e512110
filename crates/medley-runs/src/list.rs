//! All runs of some folders.

use std::path::PathBuf;

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::overview::Overview;
use crate::{RunsError, find, read};

/// What to look at besides the files that every overview is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Add up the sizes of all files of every run, which takes twice the time.
    pub sizes: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listing {
    /// Runs, in the order of the folders and then of their names.
    pub runs: Vec<Overview>,
    /// Folders that are not runs.
    pub passed_over: usize,
}

/// Reads an overview of each run in some folders; a folder that is a run itself stands for itself. Runs are read in parallel. One
/// that is damaged is listed with what is wrong, and one that goes meanwhile is left out.
///
/// # Errors
/// [`RunsError::Missing`], [`RunsError::Unlistable`] of the folders themselves.
pub fn list(folders: &[PathBuf], options: ListOptions) -> Result<Listing, RunsError> {
    let candidates = find::candidates(folders)?;
    let runs: Vec<Overview> =
        candidates.par_iter().filter_map(|folder| read::overview(folder, options.sizes)).collect();
    let passed_over = candidates.len() - runs.len();
    Ok(Listing { runs, passed_over })
}
