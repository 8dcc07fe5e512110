//! Manifest and results of a run folder, read strictly: a wrong key, a metric outside 0-1 or a matrix that does not add up is an
//! error with its place.

mod check;
mod files;

use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::{DataRecord, Manifest, RunResults, ScoreSet};
use medley_storage::{ReadError, Shown};

pub use files::read_json;

/// Largest `manifest.json` that is read.
const MANIFEST: u64 = 16 << 20;
/// Largest `results.json` that is read: eleven tasks and a hundred seeds need a hundredth of it.
const RESULTS: u64 = 256 << 20;

/// What a run is, and its results once it is finished.
#[derive(Debug, Clone, PartialEq)]
pub struct RunFiles {
    /// Where it lies.
    pub layout: RunLayout,
    /// What the run depends on.
    pub manifest: Manifest,
    /// The results; `None` while the run is unfinished.
    pub results: Option<RunResults>,
}

/// Reads `manifest.json` of a run folder.
///
/// # Errors
/// [`RecordError::NotARun`], and whatever is wrong with the file, with its place.
pub fn read_manifest(run: &RunLayout) -> Result<Manifest, RecordError> {
    let manifest: Manifest = read_json(run, &run.manifest(), MANIFEST)?
        .ok_or_else(|| RecordError::NotARun { path: run.root().to_owned() })?;
    check::manifest(&run.manifest(), &manifest)?;
    Ok(manifest)
}

/// Reads `results.json` of a run folder; `None` while the run is unfinished.
///
/// # Errors
/// Whatever is wrong with the file, by itself or beside the manifest, with its place.
pub fn read_results(run: &RunLayout, manifest: &Manifest) -> Result<Option<RunResults>, RecordError> {
    let results: Option<RunResults> = read_json(run, &run.results(), RESULTS)?;
    if let Some(results) = &results {
        check::results(&run.results(), results, manifest)?;
    }
    Ok(results)
}

/// The run folder that a path is, or lies in (as its predictions or one of them, or beside its manifest), with its manifest; `None` of
/// other paths. A file stands for itself: what lies above it and cannot be read as a manifest is something else.
///
/// # Errors
/// When the path itself has a manifest that cannot be used.
pub fn manifest_around(path: &Path) -> Result<Option<(RunLayout, Manifest)>, RecordError> {
    let Some(run) = run_around(path) else { return Ok(None) };
    match read_manifest(&run) {
        Ok(manifest) => Ok(Some((run, manifest))),
        Err(_) if run.root() != path => Ok(None),
        Err(error) => Err(error),
    }
}

/// The folder alone. Whatever is called as a manifest is called so: reading it says what is wrong with it.
fn run_around(path: &Path) -> Option<RunLayout> {
    let run = |folder: &Path| Some(RunLayout::new(folder)).filter(|run| run.manifest().symlink_metadata().is_ok());
    let holds = |folder: &Path| {
        let above = run(folder.parent()?)?;
        (above.predictions() == folder).then_some(above)
    };
    if let Some(run) = run(path) {
        return Some(run);
    }
    let path = std::path::absolute(path).ok()?;
    if path.is_dir() { holds(&path) } else { run(path.parent()?).or_else(|| holds(path.parent()?)) }
}

impl RunFiles {
    /// Reads `manifest.json` and, if it is there, `results.json`.
    ///
    /// # Errors
    /// [`RecordError::NotARun`], and whatever is wrong with the files, with its place.
    pub fn read(run: &RunLayout) -> Result<Self, RecordError> {
        let manifest = read_manifest(run)?;
        let results = read_results(run, &manifest)?;
        Ok(Self { layout: run.clone(), manifest, results })
    }

    /// The data sets, in the order of the tasks.
    pub fn data(&self) -> &[DataRecord] {
        &self.manifest.data
    }

    /// Whether any data set is synthetic, as the manifest or the results say.
    pub fn is_synthetic(&self) -> bool {
        self.manifest.is_synthetic() || self.results.as_ref().is_some_and(|results| results.synthetic)
    }

    /// The test results of the run's final predictor: the ensemble of all seeds, or the only seed.
    pub fn final_scores(&self) -> Option<&ScoreSet> {
        let results = self.results.as_ref()?;
        results.ensemble.as_ref().or_else(|| results.test_sets().next())
    }
}

/// Why a run folder could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The folder has no manifest.
    #[error("`{}` is not a run folder: it has no manifest.json", Shown(path))]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// A file is there and cannot be read, or is not read as it is not a regular file of a size that such a file can have.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The run was written by a program with other files.
    #[error(
        "`{}` has schema version {found}, this program reads {expected}: use the release of Medley that wrote it",
        Shown(path)
    )]
    SchemaVersion {
        /// The file.
        path: PathBuf,
        /// Version in the file.
        found: u64,
        /// Version understood.
        expected: u32,
    },
    /// A file is not the JSON it should be.
    #[error("`{}`, line {line}, column {column}{}: {message}", Shown(path), of_key(key))]
    Json {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// 1-based column.
        column: usize,
        /// Path of the key, such as `seeds[0].test.tasks[1].macro_f1`; empty for the file as a whole.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// A file can be read, but what it says cannot be.
    #[error("`{}`, `{key}`: {message}", Shown(path))]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// Path of the key.
        key: String,
        /// What is wrong.
        message: String,
    },
}

fn of_key(key: &str) -> String {
    if key.is_empty() { String::new() } else { format!(", key `{key}`") }
}
