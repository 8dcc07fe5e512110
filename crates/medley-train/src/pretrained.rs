//! Networks that start from weights somebody published.
//!
//! `net.pretrained` names a safetensors file. It is read and fitted before a run folder is made, so that a file that does not
//! fit leaves nothing behind; its SHA-256 goes into the manifest, and every seed that begins, in this process or after an
//! interruption, starts from the same bytes or not at all.

use std::path::{Path, PathBuf};

use medley_core::record::WeightsRecord;
use medley_core::text::hex;
use medley_models::{ModelError, MultiTaskNet, published};
use medley_storage::{ReadError, read_file};
use sha2::{Digest as _, Sha256};

/// No published network of this crate's backbones comes near it.
const LARGEST_FILE: u64 = 2 << 30;

/// A file of published weights, known by its content.
#[derive(Debug, Clone)]
pub struct Pretrained {
    path: PathBuf,
    record: WeightsRecord,
}

/// Why a network cannot start from a file.
#[derive(Debug, thiserror::Error)]
pub enum PretrainedError {
    /// It cannot be read.
    #[error("`net.pretrained`: cannot read `{}`; a path is relative to the folder in which `medley` runs", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// It is not the file that the run began with.
    #[error(
        "`net.pretrained`: `{}` is not the file that this run began with (SHA-256 {found}, not {expected}): restore that file",
        path.display()
    )]
    Changed {
        /// The file.
        path: PathBuf,
        /// As the manifest records.
        expected: String,
        /// As it is.
        found: String,
    },
    /// The config of a run names weights and its manifest does not, or the other way round.
    #[error(
        "`net.pretrained`: the run's config and `{}` do not agree on whether it began with weights; restore that file",
        manifest.display()
    )]
    Unrecorded {
        /// The manifest.
        manifest: PathBuf,
    },
    /// It does not hold the tensors of the network.
    #[error(
        "`net.pretrained`: cannot start `{backbone}` from `{}`: {source}; `medley models show {backbone}` says whose weights fit, \
         and with which stem",
        path.display()
    )]
    Misfit {
        /// The file.
        path: PathBuf,
        /// Name of the backbone.
        backbone: String,
        /// The lists of names.
        source: Box<ModelError>,
    },
}

impl Pretrained {
    /// A file as it is now.
    ///
    /// # Errors
    /// [`PretrainedError::Read`].
    pub fn open(path: &Path) -> Result<Self, PretrainedError> {
        let sha256 = hex(&Sha256::digest(read(path)?));
        let file = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Ok(Self { path: path.to_owned(), record: WeightsRecord { file, sha256 } })
    }

    /// The file that a run began with, at the place that its config names.
    pub fn recorded(path: &Path, record: &WeightsRecord) -> Self {
        Self { path: path.to_owned(), record: record.clone() }
    }

    /// For the manifest.
    pub fn record(&self) -> &WeightsRecord {
        &self.record
    }

    /// Whether it still is the file that was recorded.
    ///
    /// # Errors
    /// [`PretrainedError::Read`], [`PretrainedError::Changed`].
    pub fn check(&self) -> Result<(), PretrainedError> {
        self.read().map(drop)
    }

    fn read(&self) -> Result<Vec<u8>, PretrainedError> {
        let bytes = read(&self.path)?;
        let found = hex(&Sha256::digest(&bytes));
        if found == self.record.sha256 {
            return Ok(bytes);
        }
        let expected = self.record.sha256.clone();
        Err(PretrainedError::Changed { path: self.path.clone(), expected, found })
    }

    /// Loads the trunk, and every task's copy of it; heads stay as they were initialised.
    ///
    /// # Errors
    /// [`PretrainedError`]; nothing was changed then.
    pub fn start(&self, net: &MultiTaskNet) -> Result<(), PretrainedError> {
        let bytes = self.read()?;
        published::import(&bytes, net, None).map_err(|source| PretrainedError::Misfit {
            path: self.path.clone(),
            backbone: net.config().config().backbone.name.clone(),
            source: Box::new(source),
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, PretrainedError> {
    read_file(path, LARGEST_FILE).map_err(|source| PretrainedError::Read { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use medley_models::conformance::task;
    use medley_models::{BackboneConfig, BatchNormScope, BuildOptions, NetConfig, weights};

    use super::*;

    fn net(seed: u64, width: usize) -> MultiTaskNet {
        let config = NetConfig {
            backbone: BackboneConfig::with_width("resnet18", width),
            batch_norm: BatchNormScope::PerTask,
            ..NetConfig::default()
        };
        let options = BuildOptions { seed, ..BuildOptions::default() };
        MultiTaskNet::build(&config.validated().unwrap(), &[task("a", 2), task("b", 5)], &options).unwrap()
    }

    #[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
    fn save(folder: &Path, net: &MultiTaskNet) -> PathBuf {
        let bytes = weights::to_bytes(&published::export(net, 1).unwrap(), &BTreeMap::new()).unwrap();
        let path = folder.join("weights.safetensors");
        std::fs::write(&path, bytes).unwrap();
        path
    }

    #[test]
    fn the_trunk_is_taken_and_the_heads_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to, untouched) = (net(1, 4), net(2, 4), net(2, 4));
        Pretrained::open(&save(folder.path(), &from)).unwrap().start(&to).unwrap();
        let (from, untouched): (BTreeMap<_, _>, BTreeMap<_, _>) =
            (from.parameters().into_iter().collect(), untouched.parameters().into_iter().collect());
        for (name, tensor) in to.parameters() {
            let expected = if name.starts_with("heads.") { &untouched[&name] } else { &from[&name] };
            assert!(tensor.equal(expected), "{name}");
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "fixtures of tests need not survive a crash")]
    fn another_file_is_not_taken_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = save(folder.path(), &net(1, 4));
        let pretrained = Pretrained::open(&path).unwrap();
        save(folder.path(), &net(3, 4));
        let error = pretrained.start(&net(2, 4)).unwrap_err();
        assert!(matches!(&error, PretrainedError::Changed { .. }), "{error}");
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(pretrained.start(&net(2, 4)), Err(PretrainedError::Read { .. })));
    }

    #[test]
    fn what_has_no_end_is_not_read() {
        let error = Pretrained::open(Path::new("/dev/zero")).unwrap_err();
        let source = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(source, "`/dev/zero` is a pipe, socket or device, not a regular file");
    }

    #[test]
    fn what_does_not_fit_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = save(folder.path(), &net(1, 8));
        let text = Pretrained::open(&path).unwrap().start(&net(1, 4)).unwrap_err().to_string();
        for part in
            ["weights.safetensors", "other shape: bn1.bias: file [8], network [4]", "medley models show resnet18"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}
