//! What a finished run no longer needs.
//!
//! A seed keeps two checkpoints: `last`, to go on from, and `best`, the network that validation chose. `last` holds the optimizer and
//! the moving average too, and takes most of the room of a run. Once the test split is scored, only further training would go on from
//! it; exporting weights reads `best`, and takes the newest where no `last` names one. So `last` is freed only where the newest `best` is the one
//! that the results are of.

use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::SeedResult;
use medley_predictions::RunFiles;
use medley_storage::{ConfinedFolder, ConfinedFs, FolderLock, ReadError, Storage, hide_folder, if_present};
use serde::Serialize;

use crate::lock::Held;
use crate::{RunsError, removal, size};

/// A checkpoint of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checkpoint {
    /// Its seed.
    pub seed: u64,
    /// Its folder, such as `best-000012`.
    pub name: String,
    /// The sum of the sizes of its files.
    pub bytes: u64,
}

/// Those of some seeds, by seed and name.
///
/// # Errors
/// [`ReadError`] where a folder is a link or cannot be listed.
pub(crate) fn of_seeds(run: &RunLayout, seeds: &[u64]) -> Result<Vec<Checkpoint>, ReadError> {
    let mut all = Vec::new();
    for &seed in seeds {
        for name in names(run, seed)? {
            let bytes = size::of_folder(&run.checkpoints(seed).join(&name));
            all.push(Checkpoint { seed, name, bytes });
        }
    }
    Ok(all)
}

/// Names in the folder of a seed that are of checkpoints, in alphabetical order, which is that of their epochs.
fn names(run: &RunLayout, seed: u64) -> Result<Vec<String>, ReadError> {
    let names = if_present(ConfinedFolder::new(run.root()).list(&run.checkpoints(seed)))?.unwrap_or_default();
    let names = names.into_iter().filter_map(|name| name.into_string().ok());
    Ok(names.filter(|name| name.starts_with("best-") || name.starts_with("last-")).collect())
}

/// The checkpoints of a finished run that can be freed. Other processes are kept from the run until it is dropped.
#[derive(Debug)]
pub struct Checkpoints {
    run: RunLayout,
    free: Vec<PathBuf>,
    bytes: u64,
    kept: Vec<String>,
    _held: Held,
}

/// What was freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freed {
    /// The run folder.
    pub path: PathBuf,
    /// Checkpoints that are gone.
    pub checkpoints: usize,
    /// The sum of the sizes of their files.
    pub bytes: u64,
}

impl Checkpoints {
    /// Finds the `last` checkpoints of a run that is finished, tested, and not in use. Nothing is removed yet.
    ///
    /// # Errors
    /// When the path is no folder of a run, or something about it cannot be used; [`RunsError::InUse`], [`RunsError::Unfinished`],
    /// [`RunsError::Untested`].
    pub fn find(path: &Path) -> Result<Self, RunsError> {
        let path = removal::run_folder(path)?;
        let run = RunLayout::new(&path);
        let files = RunFiles::read(&run)?;
        let held = Held::take(&run)?;
        let results = files.results.ok_or_else(|| RunsError::Unfinished { path: path.clone() })?;
        if !results.is_tested() {
            return Err(RunsError::Untested { path });
        }
        let (mut free, mut bytes, mut kept) = (Vec::new(), 0, Vec::new());
        for result in &results.seeds {
            let names = names(&run, result.seed)?;
            let last: Vec<_> = names.iter().filter(|name| name.starts_with("last-")).collect();
            if let (Some(reason), false) = (reason_to_keep(&run, &names, result), last.is_empty()) {
                kept.push(format!("seed {}: {reason}, so `{}` is kept", result.seed, last[0]));
                continue;
            }
            for name in last {
                let folder = run.checkpoints(result.seed).join(name);
                bytes += size::of_folder(&folder);
                free.push(folder);
            }
        }
        Ok(Self { run, free, bytes, kept, _held: held })
    }

    /// The run folder.
    pub fn path(&self) -> &Path {
        self.run.root()
    }

    /// How many can be freed.
    pub fn count(&self) -> usize {
        self.free.len()
    }

    /// The sum of the sizes of their files.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Why some are kept, one sentence each.
    pub fn kept(&self) -> &[String] {
        &self.kept
    }

    /// Removes them, each hidden first in one step.
    ///
    /// # Errors
    /// [`RunsError::NotRemoved`], [`RunsError::Rest`], [`RunsError::Read`] where there is a link on the way; those before are gone,
    /// those after are there.
    pub fn free(self, storage: &dyn Storage) -> Result<Freed, RunsError> {
        let storage = ConfinedFs::new(ConfinedFolder::new(self.run.root()), storage);
        for path in &self.free {
            ConfinedFolder::new(self.run.root()).check(path)?;
            let folder = path.parent().unwrap_or(path);
            removal::sweep_removed(folder);
            let _shared = FolderLock::shared(folder);
            let failed = |source| RunsError::NotRemoved { path: path.clone(), source };
            let rest = hide_folder(&storage, path).map_err(failed)?;
            fs_err::remove_dir_all(&rest).map_err(|source| RunsError::Rest { path: path.clone(), rest, source })?;
        }
        Ok(Freed { path: self.run.root().to_owned(), checkpoints: self.free.len(), bytes: self.bytes })
    }
}

/// Why the `last` checkpoint of a seed must stay; `None` where it can go.
fn reason_to_keep(run: &RunLayout, names: &[String], result: &SeedResult) -> Option<String> {
    let expected = format!("best-{:06}", result.best_epoch);
    match names.iter().rfind(|name| name.starts_with("best-")) {
        None => Some("there is no best checkpoint".to_owned()),
        Some(newest) if *newest != expected => {
            Some(format!("the newest best checkpoint is `{newest}`, and the results are of `{expected}`"))
        }
        Some(newest) => {
            let folder = run.checkpoints(result.seed).join(newest);
            let has = |name: &str| folder.join(name).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
            let missing = ["state.json", "model.safetensors"].into_iter().find(|name| !has(name))?;
            Some(format!("`{newest}` has no {missing}"))
        }
    }
}
