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
    /// Its folder in that of the seed, such as `best-000012`, or `phase-1-breastmnist/best-000012`.
    pub name: String,
    /// The sum of the sizes of its files.
    pub bytes: u64,
}

/// The checkpoints of one network of a seed: that of the joint training, or that of a later phase.
struct NetworkFolder {
    path: PathBuf,
    /// Its name in the folder of the seed, such as `phase-1-breastmnist`; `None` for the joint training, whose checkpoints lie there directly.
    stage: Option<String>,
    /// Names of its checkpoints in alphabetical order, which is that of their epochs.
    checkpoints: Vec<String>,
}

impl NetworkFolder {
    fn read(run: &RunLayout, path: PathBuf, stage: Option<String>) -> Result<Self, ReadError> {
        let checkpoints = names(run, &path)?.into_iter().filter(|name| is_checkpoint(name)).collect();
        Ok(Self { path, stage, checkpoints })
    }

    /// A checkpoint of this network as people read it.
    fn shown(&self, checkpoint: &str) -> String {
        self.stage.as_ref().map_or_else(|| checkpoint.to_owned(), |stage| format!("{stage}/{checkpoint}"))
    }

    /// Why its `last` checkpoint must stay; `None` where it can go.
    fn reason_to_keep(&self, result: &SeedResult) -> Option<String> {
        let chosen = |stage: &str| result.fine_tuned.values().find(|one| one.stage == stage).map(|one| one.epoch);
        // No result is of a network that no task chose.
        let epoch = self.stage.as_ref().map_or(Some(result.best_epoch), |stage| chosen(stage))?;
        let expected = format!("best-{epoch:06}");
        match self.checkpoints.iter().rfind(|name| name.starts_with("best-")) {
            None => Some("there is no best checkpoint".to_owned()),
            Some(newest) if *newest != expected => {
                Some(format!("the newest best checkpoint is `{newest}`, and the results are of `{expected}`"))
            }
            Some(newest) => {
                let folder = self.path.join(newest);
                let has = |name: &str| folder.join(name).symlink_metadata().is_ok_and(|metadata| metadata.is_file());
                let missing = ["state.json", "model.safetensors"].into_iter().find(|name| !has(name))?;
                Some(format!("`{newest}` has no {missing}"))
            }
        }
    }
}

fn is_checkpoint(name: &str) -> bool {
    name.starts_with("best-") || name.starts_with("last-")
}

/// The networks of a seed, the joint training first.
fn networks(run: &RunLayout, seed: u64) -> Result<Vec<NetworkFolder>, ReadError> {
    let folder = run.checkpoints(seed);
    let stages = names(run, &folder)?.into_iter().filter(|name| name.starts_with("phase-"));
    let joint = NetworkFolder::read(run, folder.clone(), None);
    std::iter::once(joint)
        .chain(stages.map(|stage| NetworkFolder::read(run, folder.join(&stage), Some(stage))))
        .collect()
}

/// What lies in a folder of a run, in alphabetical order.
fn names(run: &RunLayout, folder: &Path) -> Result<Vec<String>, ReadError> {
    let names = if_present(ConfinedFolder::new(run.root()).list(folder))?.unwrap_or_default();
    Ok(names.into_iter().filter_map(|name| name.into_string().ok()).collect())
}

/// Those of some seeds, by seed and name.
///
/// # Errors
/// [`ReadError`] where a folder is a link or cannot be listed.
pub(crate) fn of_seeds(run: &RunLayout, seeds: &[u64]) -> Result<Vec<Checkpoint>, ReadError> {
    let mut all = Vec::new();
    for &seed in seeds {
        for network in networks(run, seed)? {
            all.extend(network.checkpoints.iter().map(|name| Checkpoint {
                seed,
                name: network.shown(name),
                bytes: size::of_folder(&network.path.join(name)),
            }));
        }
    }
    Ok(all)
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
            for network in networks(&run, result.seed)? {
                let last: Vec<_> = network.checkpoints.iter().filter(|name| name.starts_with("last-")).collect();
                if let (Some(reason), false) = (network.reason_to_keep(result), last.is_empty()) {
                    kept.push(format!("seed {}: {reason}, so `{}` is kept", result.seed, network.shown(last[0])));
                    continue;
                }
                for name in last {
                    let folder = network.path.join(name);
                    bytes += size::of_folder(&folder);
                    free.push(folder);
                }
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
