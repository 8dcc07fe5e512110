//! Run folders that are removed.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_predictions::RecordError;
use medley_predictions::record::read_manifest;
use medley_storage::{ConfinedFolder, FolderLock, ReadError, Storage, hide_folder, sweep_hidden};

use crate::lock::Held;
use crate::{RunsError, size};

/// What a run folder holds that Medley has made.
const OWN: [&str; 19] = [
    "bad_batches",
    "checkpoints",
    "config.toml",
    "decisions.json",
    "events.jsonl",
    "gallery.json",
    "manifest.json",
    "metrics.csv",
    "predictions",
    "related.json",
    "report.html",
    "results",
    "results.json",
    "robustness.json",
    "run.lock",
    "submission.csv",
    "submission.SYNTHETIC.csv",
    "tags.json",
    "tb",
];

/// A run folder that may be removed: it is one, and no other process holds it, nor can until this is dropped.
#[derive(Debug)]
pub struct Removal {
    run: RunLayout,
    bytes: u64,
    foreign: Vec<String>,
    _held: Held,
}

impl Removal {
    /// Checks that a path is a run folder, itself and not through a link, with a manifest of this program's schema, and that no
    /// process holds it. Nothing is removed yet.
    ///
    /// # Errors
    /// [`RunsError::Missing`], [`RunsError::Link`], [`RunsError::NoName`], [`RunsError::Current`], [`RunsError::Unknown`],
    /// [`RunsError::InUse`], [`RunsError::Read`], and [`RunsError::Record`] of a folder without a manifest.
    pub fn check(path: &Path) -> Result<Self, RunsError> {
        let path = run_folder(path)?;
        let run = RunLayout::new(&path);
        if let Err(source) = read_manifest(&run) {
            return Err(match source {
                source @ RecordError::NotARun { .. } => source.into(),
                source => RunsError::Unknown { path, source },
            });
        }
        let held = Held::take(&run)?;
        let names = ConfinedFolder::new(&path).list(&path)?;
        let is_foreign = |name: &&OsString| !OWN.iter().any(|own| name.as_os_str() == *own);
        let foreign = names.iter().filter(is_foreign).map(|name| name.to_string_lossy().into_owned()).collect();
        Ok(Self { bytes: size::of_folder(&path), run, foreign, _held: held })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        self.run.root()
    }

    /// The sum of the sizes of its files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Names in it that training does not make, such as exported weights and what people keep there.
    pub fn foreign(&self) -> &[String] {
        &self.foreign
    }

    /// Removes the folder, and returns the bytes that its files had. It is hidden first, in one step, so that a process that is killed
    /// leaves a whole run or none; what it left hidden, [`sweep_removed`] removes. What links in it point to stays.
    ///
    /// # Errors
    /// [`RunsError::NotRemoved`], [`RunsError::Rest`].
    pub fn carry_out(self, storage: &dyn Storage) -> Result<u64, RunsError> {
        let path = self.run.root().to_owned();
        let _shared = FolderLock::shared(path.parent().unwrap_or(Path::new("")));
        let rest =
            hide_folder(storage, &path).map_err(|source| RunsError::NotRemoved { path: path.clone(), source })?;
        fs_err::remove_dir_all(&rest).map_err(|source| RunsError::Rest { path, rest, source })?;
        Ok(self.bytes)
    }
}

/// Removes what killed removals left hidden in a folder of runs, unless another process removes something there now.
pub fn sweep_removed(runs: &Path) {
    let runs = if runs.as_os_str().is_empty() { Path::new(".") } else { runs };
    if let Some(_alone) = FolderLock::alone(runs) {
        sweep_hidden(runs);
    }
}

/// A path that names a folder itself. A slash at its end would have the system look through a link.
///
/// # Errors
/// [`RunsError::NoName`], [`RunsError::Missing`], [`RunsError::Link`], [`RunsError::Current`]; [`RunsError::Record`] where it is a
/// file.
pub(crate) fn run_folder(path: &Path) -> Result<PathBuf, RunsError> {
    let named: PathBuf = path.components().collect();
    if named.file_name().is_none() {
        return Err(RunsError::NoName { path: path.to_owned() });
    }
    let metadata = named.symlink_metadata().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => RunsError::Missing { path: named.clone() },
        _ => ReadError::Io { path: named.clone(), source }.into(),
    })?;
    if metadata.is_symlink() {
        return Err(RunsError::Link { path: named });
    }
    if !metadata.is_dir() {
        return Err(RecordError::NotARun { path: named }.into());
    }
    let holds = |current: PathBuf| named.canonicalize().is_ok_and(|folder| current.starts_with(folder));
    if std::env::current_dir().is_ok_and(holds) {
        return Err(RunsError::Current { path: named });
    }
    Ok(named)
}
