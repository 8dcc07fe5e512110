//! Checkpoints: a folder that appears complete or not at all.
//!
//! `checkpoints/seed-0/last-000003-000000/` holds everything needed to go on as if nothing had happened; `best-000002/` holds
//! the network that validation chose. Each has a `state.json` with the SHA-256 of its files, and `state.sha256` with that of
//! `state.json`, as `sha256sum --check` reads it; loading verifies both. A newer checkpoint is committed before older ones are
//! removed, so one good one is always there.

mod error;
mod read;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::SCHEMA_VERSION;
use medley_core::text::hex;
use medley_models::weights;
use medley_storage::{ConfinedFolder, ConfinedFs, Storage, StorageError, fill_directory};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tch::Tensor;

pub use self::error::CheckpointError;
pub use self::read::Checkpoint;
use crate::components::selections::Selected;
use crate::components::task_weights::WeightState;
use crate::sampler::Stretches;

/// What checkpoints for a soup are called.
const INGREDIENT: &str = "ingredient";
const STATE_FILE: &str = "state.json";
const STATE_HASH_FILE: &str = "state.sha256";
/// Largest `state.json` that is read: what callbacks remember is small.
const LARGEST_STATE: u64 = 16 << 20;

/// Where a seed run stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Finished epochs.
    pub epoch: usize,
    /// Finished steps of the epoch in progress.
    pub step: usize,
    /// Whether a callback has ended the epoch in progress before its last step: its validation is next.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
    /// Sum over the images of the epoch in progress of their training loss.
    pub loss_sum: f64,
    /// Images of the epoch in progress.
    pub images: u64,
    /// Skipped steps in a row.
    pub bad_steps: usize,
    /// The best validation so far.
    pub best: Option<Best>,
    /// Why a callback ended training, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The learning rate that a callback has set in place of the schedule's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// What callbacks have frozen, and for how long, in the order in which they did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<Frozen>,
    /// Whether callbacks have not been asked yet how the first epoch shall be: the seed starts from another run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unbegun: bool,
    /// The best epochs so far, whose networks are kept for a soup, best first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ingredients: Vec<Best>,
    /// The epochs whose mean the best network is, once the soup is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soup: Option<Vec<usize>>,
    /// What the epoch takes, where that follows the validation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stretches: Option<Stretches>,
    /// Tasks that teachers have no part in until the next validation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_taught: Vec<usize>,
    /// What the weights of tasks depend on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_weights: Option<WeightState>,
    /// What callbacks remember, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callbacks: BTreeMap<String, serde_json::Value>,
}

/// Parameters that a callback has frozen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    /// The name of the callback.
    pub by: String,
    /// Patterns on the names of the parameters.
    pub r#match: Vec<String>,
    /// Epochs finished when it ended; `None` while it lasts.
    pub until: Option<usize>,
}

impl Progress {
    /// Nothing done yet.
    pub const START: Self = Self {
        epoch: 0,
        step: 0,
        ended: false,
        loss_sum: 0.0,
        images: 0,
        bad_steps: 0,
        best: None,
        stopped: None,
        learning_rate: None,
        frozen: Vec::new(),
        unbegun: false,
        ingredients: Vec::new(),
        soup: None,
        stretches: None,
        not_taught: Vec::new(),
        task_weights: None,
        callbacks: BTreeMap::new(),
    };
}

/// The best validation so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Epochs finished when it was reached.
    pub epoch: usize,
    /// Harmonic mean of the validation macro-F1.
    pub harmonic_mean: f64,
    /// What it was selected by; `None` in checkpoints of older programs, which selected by `harmonic_mean`.
    #[serde(default)]
    pub selected: Option<Selected>,
}

impl Best {
    /// What it was selected by.
    pub fn selected(&self) -> Selected {
        self.selected.unwrap_or(Selected { score: self.harmonic_mean, loss: None })
    }
}

/// `state.json`
#[derive(Debug, Serialize, Deserialize)]
struct State {
    schema_version: u32,
    seed: u64,
    progress: Progress,
    sha256: BTreeMap<String, String>,
    /// Whether `state.sha256` belongs to it; not in checkpoints of older programs.
    #[serde(default)]
    hashed: bool,
}

/// Named groups of tensors, one file each: `model`, `optimizer`, `average`.
pub type TensorGroups<'a> = &'a [(&'static str, Vec<(String, Tensor)>)];

/// What takes the files of a checkpoint, one after another: a large network has no room for all at once.
type Write<'a> = &'a dyn Fn(&str, &[u8]) -> Result<(), StorageError>;

/// Where a checkpoint waits while another is written in its place: it is still found, but read after the new one.
fn replaced(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    // `-` sorts before every digit.
    let name = name.rsplit_once('-').map_or_else(|| format!("{name}--"), |(kind, place)| format!("{kind}--{place}"));
    target.with_file_name(name)
}

/// The checkpoints of one seed run.
#[derive(Debug, Clone)]
pub struct CheckpointFolder {
    run: ConfinedFolder,
    folder: PathBuf,
    seed: u64,
}

impl CheckpointFolder {
    /// The checkpoints of a seed of a run. Their folder need not exist yet.
    pub fn new(run: &RunLayout, seed: u64) -> Self {
        Self { run: ConfinedFolder::new(run.root()), folder: run.checkpoints(seed), seed }
    }

    /// Those of a stage of a seed: in a folder beside those of its joint training.
    pub fn of_stage(run: &RunLayout, seed: u64, stage: Option<&str>) -> Self {
        let folder = match stage {
            Some(stage) => run.checkpoints(seed).join(stage),
            None => run.checkpoints(seed),
        };
        Self { folder, ..Self::new(run, seed) }
    }

    /// Writes a `last` checkpoint, and removes older ones and every `best` that is not the one it names.
    ///
    /// # Errors
    /// [`CheckpointError::Storage`]; older checkpoints are then still there.
    pub fn save_last(
        &self,
        storage: &dyn Storage,
        progress: &Progress,
        groups: TensorGroups<'_>,
    ) -> Result<PathBuf, CheckpointError> {
        let target = self.last(progress);
        self.save(storage, &target, progress, groups)?;
        self.remove_all_but(&target, progress)?;
        Ok(target)
    }

    /// Removes what a process that was killed has not come to remove: what the `last` checkpoint of this progress, from which the
    /// run goes on, stands for. A newer one that could not be used stays.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn remove_surplus(&self, progress: &Progress) -> Result<(), CheckpointError> {
        let kept = self.last(progress);
        let found = self.list("last")?;
        match found.iter().position(|path| *path == kept) {
            Some(at) if found[at + 1..].is_empty() => self.remove_all_but(&kept, progress),
            _ => Ok(()),
        }
    }

    /// Best effort: a checkpoint too many does no harm.
    fn remove_all_but(&self, kept: &Path, progress: &Progress) -> Result<(), CheckpointError> {
        let best = progress.best.map(|best| self.best(best.epoch));
        let older = self.list("last")?.into_iter().filter(|path| path != kept);
        let not_best = self.list("best")?.into_iter().filter(|path| best.as_ref().is_some_and(|best| path != best));
        let used = |path: &PathBuf| progress.ingredients.iter().any(|one| *path == self.ingredient(one.epoch));
        let not_used = self.list(INGREDIENT)?.into_iter().filter(|path| !used(path));
        for path in older.chain(not_best).chain(not_used) {
            let _ = self.run.remove(&path);
        }
        Ok(())
    }

    /// Writes a `best` checkpoint. Older ones stay until a `last` one names it: an epoch that is done again may end otherwise.
    ///
    /// # Errors
    /// [`CheckpointError::Storage`]; older checkpoints are then still there.
    pub fn save_best(
        &self,
        storage: &dyn Storage,
        progress: &Progress,
        groups: TensorGroups<'_>,
    ) -> Result<PathBuf, CheckpointError> {
        let target = self.best(progress.epoch);
        self.save(storage, &target, progress, groups)?;
        Ok(target)
    }

    /// Writes the network of an epoch for a soup. Those that are not used any more stay until a `last` one does not name them.
    ///
    /// # Errors
    /// [`CheckpointError::Storage`]; older checkpoints are then still there.
    pub fn save_ingredient(
        &self,
        storage: &dyn Storage,
        progress: &Progress,
        groups: TensorGroups<'_>,
    ) -> Result<PathBuf, CheckpointError> {
        let target = self.ingredient(progress.epoch);
        self.save(storage, &target, progress, groups)?;
        Ok(target)
    }

    /// Loads that of an epoch into the tensors.
    ///
    /// # Errors
    /// As [`Self::find_last`] and [`Self::load`], and [`CheckpointError::None`] when there is none.
    pub fn load_ingredient(&self, epoch: usize, groups: TensorGroups<'_>) -> Result<(), CheckpointError> {
        let path = self.ingredient(epoch);
        let found = self.list(INGREDIENT)?.into_iter().filter(|one| *one == path).collect();
        let checkpoint = self.find_newest(INGREDIENT, found, groups)?.ok_or_else(|| self.no_ingredients())?;
        self.load(&checkpoint, groups)
    }

    /// The error for a soup without ingredients.
    pub(crate) fn no_ingredients(&self) -> CheckpointError {
        CheckpointError::None { kind: INGREDIENT, folder: self.folder.clone(), skipped: Vec::new() }
    }

    fn ingredient(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("{INGREDIENT}-{epoch:06}"))
    }

    fn last(&self, progress: &Progress) -> PathBuf {
        self.folder.join(format!("last-{:06}-{:06}", progress.epoch, progress.step))
    }

    fn best(&self, epoch: usize) -> PathBuf {
        self.folder.join(format!("best-{epoch:06}"))
    }

    fn save(
        &self,
        storage: &dyn Storage,
        target: &Path,
        progress: &Progress,
        groups: TensorGroups<'_>,
    ) -> Result<(), CheckpointError> {
        let io = |source| StorageError::io(target, source);
        let storage = ConfinedFs::new(self.run.clone(), storage);
        self.run.create_folder(&self.folder)?;
        if target.exists() {
            let state = self.encode(target, progress, groups, &|_, _| Ok(()))?;
            // Resumed at the very place it was saved: the bits are the same. One that is damaged, or of an epoch that was done
            // again elsewhere to other bits, must make room.
            let there = self.run.read_file(&target.join(STATE_FILE), LARGEST_STATE);
            if there.is_ok_and(|there| there == state) && self.verify(target, &read::any_size).is_ok() {
                return Ok(());
            }
            let replaced = replaced(target);
            if replaced.exists() {
                self.run.remove(&replaced)?;
            }
            storage.rename_synced(target, &replaced).map_err(io)?;
        }
        fill_directory(&storage, target, |write| -> Result<(), CheckpointError> {
            let state = self.encode(target, progress, groups, write)?;
            write(STATE_FILE, &state)?;
            let state_hash = format!("{}  {STATE_FILE}\n", hex(&Sha256::digest(&state)));
            Ok(write(STATE_HASH_FILE, state_hash.as_bytes())?)
        })?;
        self.verify(target, &read::any_size)?;
        let _ = self.run.remove(&replaced(target));
        Ok(())
    }

    /// Hands over the files of tensors, and returns `state.json`, which has their hashes.
    fn encode(
        &self,
        target: &Path,
        progress: &Progress,
        groups: TensorGroups<'_>,
        write: Write<'_>,
    ) -> Result<Vec<u8>, CheckpointError> {
        let metadata = BTreeMap::from([
            ("format".to_owned(), "pt".to_owned()),
            ("medley_epoch".to_owned(), progress.epoch.to_string()),
        ]);
        let mut sha256 = BTreeMap::new();
        for (name, tensors) in groups {
            let bytes = weights::to_bytes(tensors, &metadata)
                .map_err(|error| CheckpointError::Misfit { path: target.to_owned(), problem: error.to_string() })?;
            let file = file_of(name);
            write(&file, &bytes)?;
            sha256.insert(file, hex(&Sha256::digest(&bytes)));
        }
        let progress = progress.clone();
        let state = State { schema_version: SCHEMA_VERSION, seed: self.seed, progress, sha256, hashed: true };
        serde_json::to_vec_pretty(&state)
            .map_err(|error| CheckpointError::BadState { path: target.to_owned(), problem: error.to_string() })
    }

    /// Removes what interrupted saves left.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn sweep(&self) -> Result<usize, CheckpointError> {
        Ok(self.run.sweep(&self.folder)?)
    }
}

fn file_of(group: &str) -> String {
    format!("{group}.safetensors")
}

#[cfg(test)]
mod tests;
