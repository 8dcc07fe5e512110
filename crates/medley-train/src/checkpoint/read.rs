//! Reading checkpoints: nothing is used whose hashes are not those of its state.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use medley_core::record::SCHEMA_VERSION;
use medley_core::text::hex;
use medley_models::{ModelError, weights};
use medley_storage::{ReadError, check_size, if_present};
use sha2::{Digest as _, Sha256};
use tch::Tensor;

use super::{
    CheckpointError, CheckpointFolder, LARGEST_STATE, Progress, STATE_FILE, STATE_HASH_FILE, State, TensorGroups,
    file_of,
};

/// Largest file of tensors that is hashed, which takes no memory. What is loaded must have the size of the network.
const LARGEST_TENSORS: u64 = 64 << 30;
/// A file of another network is read if it is no larger than this, or than a few of our own.
const LEAST_MODEL_LIMIT: u64 = 1 << 30;
/// Room for the names and shapes of a file of tensors, and for each of them.
const HEADER_ROOM: u64 = 1 << 20;

impl CheckpointFolder {
    /// Whether nothing was saved to go on from.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn is_fresh(&self) -> Result<bool, CheckpointError> {
        Ok(self.list("last")?.is_empty())
    }

    /// Finds the newest usable `last` checkpoint, or returns `None` when there is none at all. Damaged ones are skipped and named, and
    /// so are those whose files are larger than files of `groups` can be.
    ///
    /// # Errors
    /// [`CheckpointError::None`] when there are checkpoints but none is usable.
    pub fn find_last(&self, groups: TensorGroups<'_>) -> Result<Option<Checkpoint>, CheckpointError> {
        self.find_newest("last", self.list("last")?, groups)
    }

    /// Loads the `best` checkpoint of an epoch into the tensors, the one that progress names, or the newest if that names none.
    ///
    /// # Errors
    /// As [`Self::find_last`] and [`Self::load`], and [`CheckpointError::None`] when there is none.
    pub fn load_best(&self, epoch: Option<usize>, groups: TensorGroups<'_>) -> Result<Progress, CheckpointError> {
        let mut found = self.list("best")?;
        found.retain(|path| epoch.is_none_or(|epoch| *path == self.best(epoch)));
        let Some(checkpoint) = self.find_newest("best", found, groups)? else {
            return Err(CheckpointError::None { kind: "best", folder: self.folder.clone(), skipped: Vec::new() });
        };
        self.load(&checkpoint, groups)?;
        Ok(checkpoint.progress)
    }

    pub(super) fn find_newest(
        &self,
        kind: &'static str,
        found: Vec<PathBuf>,
        groups: TensorGroups<'_>,
    ) -> Result<Option<Checkpoint>, CheckpointError> {
        let mut skipped = Vec::new();
        for path in found.into_iter().rev() {
            // What cannot be of this network is not hashed.
            let limit =
                |name: &str| groups.iter().find(|group| name == file_of(group.0)).map(|group| largest(&group.1));
            match self.verify(&path, &|name| limit(name).unwrap_or(LARGEST_TENSORS)) {
                Ok(State { progress, sha256, .. }) => {
                    return Ok(Some(Checkpoint { progress, skipped, path, sha256 }));
                }
                Err(error) => skipped.push(error.to_string()),
            }
        }
        if skipped.is_empty() {
            return Ok(None);
        }
        Err(CheckpointError::None { kind, folder: self.folder.clone(), skipped })
    }

    /// Copies the tensors of a checkpoint that was found into those of the same names.
    ///
    /// # Errors
    /// [`CheckpointError::Misfit`] when it was made by another network; when a file has changed since it was found.
    pub fn load(&self, checkpoint: &Checkpoint, groups: TensorGroups<'_>) -> Result<(), CheckpointError> {
        let misfit = |problem: String| CheckpointError::Misfit { path: checkpoint.path.clone(), problem };
        for (name, targets) in groups {
            let file = file_of(name);
            let hash = checkpoint.sha256.get(&file).ok_or_else(|| misfit(format!("it has no {file}")))?;
            let bytes = self.read_tensors(&checkpoint.path.join(&file), hash, targets)?;
            weights::load_into(&bytes, targets).map_err(|error| misfit(format!("{name}: {error}")))?;
        }
        Ok(())
    }

    /// What the newest usable `last` checkpoint says.
    pub fn newest(&self) -> Option<Progress> {
        let found = self.list("last").unwrap_or_default();
        found.iter().rev().find_map(|path| self.verify(path, &any_size).ok()).map(|state| state.progress)
    }

    /// Reads the network of the checkpoint that a finished run stands for, whatever its tensors are: the `best` that its progress
    /// names, or the newest `last`. A file that is far larger than one of `state` is not read.
    ///
    /// # Errors
    /// As [`Self::find_last`], and [`CheckpointError::None`] when there is none.
    pub(crate) fn read_model(
        &self,
        kind: &'static str,
        state: &[(String, Tensor)],
    ) -> Result<FoundModel, CheckpointError> {
        let file = file_of("model");
        let limit = largest(state).saturating_mul(4).max(LEAST_MODEL_LIMIT);
        let best = self.newest().and_then(|progress| progress.best).map(|best| self.best(best.epoch));
        let is_wanted = |path: &PathBuf| kind != "best" || best.as_ref().is_none_or(|best| path == best);
        let mut skipped = Vec::new();
        for path in self.list(kind)?.into_iter().rev().filter(is_wanted) {
            let read = || {
                let state = self.verify(&path, &|_| limit)?;
                let bytes = self.run.read_file(&path.join(&file), limit)?;
                let sha256 = hex(&Sha256::digest(&bytes));
                if state.sha256.get(&file) != Some(&sha256) {
                    return Err(CheckpointError::Damaged { path: path.join(&file) });
                }
                let misfit =
                    |error: ModelError| CheckpointError::Misfit { path: path.clone(), problem: error.to_string() };
                let (tensors, _) = weights::read(&bytes).map_err(misfit)?;
                Ok(FoundModel { epoch: state.progress.epoch, sha256, tensors: tensors.into_iter().collect() })
            };
            match read() {
                Ok(found) => return Ok(found),
                Err(error) => skipped.push(error.to_string()),
            }
        }
        Err(CheckpointError::None { kind, folder: self.folder.clone(), skipped })
    }

    /// Checkpoints of a kind, oldest first: names sort by position.
    pub(super) fn list(&self, kind: &str) -> Result<Vec<PathBuf>, CheckpointError> {
        let names = if_present(self.run.list(&self.folder))?.unwrap_or_default();
        let of_kind = names.iter().filter(|name| name.to_string_lossy().starts_with(&format!("{kind}-")));
        Ok(of_kind.map(|name| self.folder.join(name)).collect())
    }

    /// Reads the state of a checkpoint and checks every hash. The files of tensors are not held; one that is larger than `limit`
    /// allows is not even read.
    pub(super) fn verify(&self, path: &Path, limit: &dyn Fn(&str) -> u64) -> Result<State, CheckpointError> {
        let bad = |problem: String| CheckpointError::BadState { path: path.to_owned(), problem };
        let file = path.join(STATE_FILE);
        let bytes = self.run.read_file(&file, LARGEST_STATE)?;
        let hash_file = path.join(STATE_HASH_FILE);
        let recorded = if_present(self.run.read_text(&hash_file, LARGEST_STATE))?;
        if recorded.as_ref().is_some_and(|recorded| !recorded.starts_with(&hex(&Sha256::digest(&bytes)))) {
            return Err(CheckpointError::Damaged { path: file });
        }
        let state: State = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if state.hashed && recorded.is_none() {
            return Err(ReadError::Missing { path: hash_file }.into());
        }
        if state.schema_version != SCHEMA_VERSION {
            return Err(bad(format!("schema version {}, this program reads {SCHEMA_VERSION}", state.schema_version)));
        }
        if state.seed != self.seed {
            return Err(bad(format!("it is of seed {}, not {}", state.seed, self.seed)));
        }
        for (name, expected) in &state.sha256 {
            let file = path.join(name);
            if hex(&self.hash(&file, limit(name))?) != *expected {
                return Err(CheckpointError::Damaged { path: file });
            }
        }
        Ok(state)
    }

    /// SHA-256 of a file, in little memory.
    fn hash(&self, path: &Path, limit: u64) -> Result<Vec<u8>, ReadError> {
        let mut file = self.run.open_file(path)?;
        check_size(&file, limit)?;
        let mut hash = Sha256::new();
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block) {
                Ok(0) => return Ok(hash.finalize().to_vec()),
                Ok(read) => hash.update(&block[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Io { path: path.to_owned(), source }),
            }
        }
    }

    /// The bytes of a file that tensors are loaded from, which is no larger than they can be, once more compared with its hash: it
    /// may have changed since that was checked.
    fn read_tensors(&self, file: &Path, hash: &str, tensors: &[(String, Tensor)]) -> Result<Vec<u8>, CheckpointError> {
        let bytes = self.run.read_file(file, largest(tensors))?;
        if hex(&Sha256::digest(&bytes)) != *hash {
            return Err(CheckpointError::Damaged { path: file.to_owned() });
        }
        Ok(bytes)
    }
}

/// A network that was found in the checkpoints of a run.
pub(crate) struct FoundModel {
    /// Epochs finished when it was saved.
    pub(crate) epoch: usize,
    /// SHA-256 of its file.
    pub(crate) sha256: String,
    /// By name.
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

/// A checkpoint that was found, each of its files as its state says.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where the seed run stood.
    pub progress: Progress,
    /// Newer ones that cannot be used, with the reason.
    pub skipped: Vec<String>,
    pub(crate) path: PathBuf,
    sha256: BTreeMap<String, String>,
}

pub(super) fn any_size(_: &str) -> u64 {
    LARGEST_TENSORS
}

/// Bytes that a file of tensors takes at most: as many as the largest number format, and names and shapes.
fn largest(tensors: &[(String, Tensor)]) -> u64 {
    let values: u64 = tensors.iter().map(|(name, tensor)| tensor.numel() as u64 * 8 + 1024 + name.len() as u64).sum();
    values + HEADER_ROOM
}
