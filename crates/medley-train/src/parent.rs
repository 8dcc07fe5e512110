//! Runs that begin where another run ended.
//!
//! `medley train CONFIG --from RUN` starts from the networks that another run's validation chose, and `medley resume RUN --epochs N`
//! makes a longer run of a finished one. Either way the new run has a folder of its own, whose manifest names the parent and the
//! checkpoints that were taken. What each seed starts from is written to the new folder, as a checkpoint before its first step: from
//! then on the parent is not needed any more, and going on after an interruption works as always.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use medley_core::RunLayout;
use medley_core::record::{FoldsRecord, Inheritance, Manifest, Parent, ParentSeed};
use medley_predictions::record::read_manifest;
use medley_storage::Shown;
use tch::{Tensor, no_grad_guard};

use crate::TrainError;
use crate::checkpoint::CheckpointFolder;
use crate::folds;
use crate::run_folder::RunFolder;

/// A run that another one begins from. It is read, and not locked.
#[derive(Debug, Clone)]
pub struct ParentRun {
    layout: RunLayout,
    manifest: Manifest,
    how: Inheritance,
}

/// Why a run cannot begin from another one.
#[derive(Debug, thiserror::Error)]
pub enum ParentError {
    /// The trunks differ.
    #[error(
        "cannot start from `{}`: the trunk of this network has {missing} tensors that its network has not, or has in another shape, such \
         as {examples}; give both the same [net]",
        Shown(run)
    )]
    Misfit {
        /// The parent's folder.
        run: PathBuf,
        /// How many.
        missing: usize,
        /// Some of their names.
        examples: String,
    },
    /// It has learnt from rows that this run is validated on.
    #[error("cannot start from `{}`: {problem}", Shown(run))]
    OtherFolds {
        /// The parent's folder.
        run: PathBuf,
        /// What differs.
        problem: String,
    },
    /// A run cannot begin from weights of a file and from another run.
    #[error(
        "`net.pretrained` and a run to start from cannot both be given: the run's weights would replace the file's"
    )]
    TwoOrigins,
    /// There is nothing left to extend.
    #[error(
        "`{}` has {finished} epochs, so that a run of {wanted} epochs cannot go on from it: ask for more",
        Shown(run)
    )]
    NotLonger {
        /// The parent's folder.
        run: PathBuf,
        /// Its epochs.
        finished: usize,
        /// Those asked for.
        wanted: usize,
    },
    /// The process that made the run was killed before it had written what the run starts from.
    #[error(
        "`{}` was stopped before what it starts from was copied from `{parent}`: remove it and start again",
        Shown(run)
    )]
    NotBegun {
        /// The run's folder.
        run: PathBuf,
        /// The name of its parent.
        parent: String,
    },
}

impl ParentRun {
    /// A run in its folder. `how` is what is taken over.
    ///
    /// # Errors
    /// When it is no run folder.
    pub fn open(root: &Path, how: Inheritance) -> Result<Self, TrainError> {
        RunFolder::check(root)?;
        let layout = RunLayout::new(root);
        let manifest = read_manifest(&layout)?;
        Ok(Self { layout, manifest, how })
    }

    /// What is taken over.
    pub fn how(&self) -> Inheritance {
        self.how
    }

    /// What its folder records of it.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        self.layout.root()
    }

    /// Checks that it has not learnt from validation rows of this run, whose folds and tasks are these.
    ///
    /// # Errors
    /// [`ParentError::OtherFolds`].
    pub(crate) fn check_folds(&self, folds: Option<&FoldsRecord>, tasks: &[String]) -> Result<(), ParentError> {
        match folds::difference(&self.manifest, folds, tasks) {
            Some(problem) => Err(ParentError::OtherFolds { run: self.root().to_owned(), problem }),
            None => Ok(()),
        }
    }

    /// Which of its seeds a seed of the new run begins from: the same, or else its first.
    fn seed_for(&self, seed: u64) -> u64 {
        let known = &self.manifest.seeds;
        if known.contains(&seed) { seed } else { known.first().copied().unwrap_or(seed) }
    }

    /// The checkpoints of the seed that a seed of the new run begins from.
    pub(crate) fn checkpoints(&self, seed: u64) -> (u64, CheckpointFolder) {
        let seed = self.seed_for(seed);
        (seed, CheckpointFolder::new(&self.layout, seed))
    }

    /// For the manifest: what each seed of the new run begins from, which is read and compared with the network.
    ///
    /// # Errors
    /// Checkpoints that are missing or damaged, and networks that do not fit.
    pub(crate) fn record(&self, seeds: &[u64], state: &[(String, Tensor)]) -> Result<Parent, TrainError> {
        let mut record = Parent {
            run: self.manifest.run.clone(),
            folder: std::path::absolute(self.root()).ok().and_then(|path| path.into_os_string().into_string().ok()),
            how: self.how,
            seeds: BTreeMap::new(),
            initialised: BTreeSet::new(),
        };
        for &seed in seeds {
            let (parent_seed, checkpoints) = self.checkpoints(seed);
            let kind = if self.how == Inheritance::Weights { "best" } else { "last" };
            let found = checkpoints.read_model(kind, state)?;
            let missing = missing(state, &found.tensors);
            if self.how == Inheritance::Weights {
                self.check_trunk(&missing)?;
                record.initialised.extend(missing.into_iter().map(str::to_owned));
            }
            record.seeds.insert(seed, ParentSeed { seed: parent_seed, epoch: found.epoch, sha256: found.sha256 });
        }
        Ok(record)
    }

    /// Takes over the best network for a seed: every tensor of this name and shape. Others stay as they were initialised.
    ///
    /// # Errors
    /// As [`Self::record`].
    pub(crate) fn load_weights(&self, seed: u64, state: &[(String, Tensor)]) -> Result<(), TrainError> {
        let _guard = no_grad_guard();
        let (_, checkpoints) = self.checkpoints(seed);
        let found = checkpoints.read_model("best", state)?;
        self.check_trunk(&missing(state, &found.tensors))?;
        for (name, tensor) in state {
            if let Some(source) = fitting(name, tensor, &found.tensors) {
                tensor.shallow_clone().f_copy_(source)?;
            }
        }
        Ok(())
    }

    fn check_trunk(&self, missing: &[&str]) -> Result<(), ParentError> {
        let of_trunk: Vec<&str> = missing.iter().copied().filter(|name| !name.starts_with("heads.")).collect();
        if of_trunk.is_empty() {
            return Ok(());
        }
        let examples: Vec<String> = of_trunk.iter().take(3).map(|name| format!("`{name}`")).collect();
        Err(ParentError::Misfit { run: self.root().to_owned(), missing: of_trunk.len(), examples: examples.join(", ") })
    }
}

/// The tensor of a file that has this name and shape.
fn fitting<'t>(name: &str, tensor: &Tensor, found: &'t BTreeMap<String, Tensor>) -> Option<&'t Tensor> {
    found.get(name).filter(|source| source.size() == tensor.size())
}

/// The names for which a file has no tensor of this shape.
fn missing<'s>(state: &'s [(String, Tensor)], found: &BTreeMap<String, Tensor>) -> Vec<&'s str> {
    let is_missing = |(name, tensor): &&(String, Tensor)| fitting(name, tensor, found).is_none();
    state.iter().filter(is_missing).map(|(name, _)| name.as_str()).collect()
}
