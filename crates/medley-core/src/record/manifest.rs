//! What the bits of a run depend on, and where it was made.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Convolutions, MemoryLayout, Origin, Precision, Split, TaskSpec};

/// `manifest.json`: everything the bits of a run depend on, and where it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`SCHEMA_VERSION`](super::SCHEMA_VERSION).
    pub schema_version: u32,
    /// Name of the run folder when it was made.
    pub run: String,
    /// When the run was made, RFC 3339 in UTC. Nothing depends on it.
    pub created: String,
    /// Seeds of the run.
    pub seeds: Vec<u64>,
    /// What computed.
    pub environment: Environment,
    /// What was tried to choose precision, layout and replicas, in that order; empty when the config left nothing open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<CalibrationTrial>,
    /// What it computed on, in the order of the tasks.
    pub data: Vec<DataRecord>,
    /// Where those files lay when the run was made, an absolute path: resuming and scoring look there first. `None` in older
    /// manifests, and where the path is not Unicode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_folder: Option<String>,
    /// What pixels were normalised by, by task: who uses the weights elsewhere needs it. Empty in older manifests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub normalisation: BTreeMap<String, ChannelStatistics>,
    /// The weights that training started from, if they were not initialised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pretrained: Option<WeightsRecord>,
    /// The run that it began from, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Parent>,
    /// The networks that it learns from, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub teachers: Vec<TeacherRecord>,
    /// The folds, if validation is on one of several. The rows of [`Self::data`] are then those of the fold and of the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folds: Option<FoldsRecord>,
    /// SHA-256 of `config.toml`.
    pub config_sha256: String,
    /// `git rev-parse HEAD` of the working directory, with `-dirty` if it had changes; `None` outside a repository.
    pub git_revision: Option<String>,
    /// Whether the run leaves the test labels shut until `medley test` asks for them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_test: bool,
    /// Every time that the run opened test labels, in order. The only part of the manifest that grows. Empty in older manifests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test_openings: Vec<TestOpening>,
}

/// One opening of test labels. It is recorded before the labels open, so that there is none without a record; scoring the same
/// predictions again is not another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestOpening {
    /// When, RFC 3339 in UTC.
    pub when: String,
    /// The subcommand: `train`, `resume` or `test`.
    pub by: String,
    /// Whose predictions: `seed 3`, or `ensemble`.
    pub predictor: String,
    /// SHA-256 of the file of predictions, by task: those whose labels were opened.
    pub sha256: BTreeMap<String, String>,
}

impl Manifest {
    /// Whether any data set is synthetic rather than measured.
    pub fn is_synthetic(&self) -> bool {
        self.data.iter().any(|data| data.task.origin == Origin::Synthetic)
    }
}

/// The software and the machine. On one machine, two runs with equal environments, configs, data and seeds have equal bits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// Version of Medley.
    pub medley: String,
    /// Version of libtorch, such as `2.11.0`.
    pub libtorch: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Vector instructions libtorch uses: `default`, `avx2`, `avx512`, …
    pub cpu_capability: String,
    /// Intra-op threads of libtorch.
    pub threads: usize,
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub memory_layout: MemoryLayout,
    /// What computes convolutions; libtorch in runs of before 0.3.
    #[serde(default)]
    pub convolutions: Convolutions,
    /// Replicas that share each batch, one thread each; 1 is the network alone.
    #[serde(default = "alone")]
    pub replicas: usize,
    /// Operating system and architecture, such as `linux-x86_64`.
    pub platform: String,
    /// Instructions that Medley's own kernels use: `AVX2`, `AVX512`, `AVX512_BF16`, `AMX` or `DEFAULT`; `None` in runs
    /// that did not record it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_instructions: Option<String>,
    /// `MKL_CBWR`, MKL's mode of conditional numerical reproducibility, where it was set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mkl_cbwr: Option<String>,
}

impl Environment {
    /// Whether nothing is recorded by which the bits of results would differ. What either has not recorded counts as equal.
    pub fn same_bits_as(&self, other: &Self) -> bool {
        let mut other = other.clone();
        if self.kernel_instructions.is_none() || other.kernel_instructions.is_none() {
            (other.kernel_instructions, other.mkl_cbwr) = (self.kernel_instructions.clone(), self.mkl_cbwr.clone());
        }
        *self == other
    }
}

fn alone() -> usize {
    1
}

/// A candidate that was tried before a run, and how fast it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationTrial {
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub memory_layout: MemoryLayout,
    /// What computes convolutions; libtorch in runs of before 0.3.
    #[serde(default)]
    pub convolutions: Convolutions,
    /// Intra-op threads of libtorch.
    pub threads: usize,
    /// Replicas that share each batch.
    pub replicas: usize,
    /// Images trained on per second.
    pub images_per_second: f64,
    /// Images trained on per second of processor time; runs of before 0.3 have not recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images_per_cpu_second: Option<f64>,
}

/// Mean and standard deviation of the training pixels per channel, with byte 255 as 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChannelStatistics {
    /// One per channel.
    pub mean: Vec<f32>,
    /// One per channel, positive.
    pub std: Vec<f32>,
}

/// The folds that a run's training and validation rows were split into.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldsRecord {
    /// How many.
    pub count: usize,
    /// The one that is validated on, from 0.
    pub index: usize,
    /// Which way of splitting.
    pub repeat: u64,
    /// SHA-256 of the files that say which rows belong together, by task.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub groups: BTreeMap<String, String>,
}

/// What a run takes over from another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Inheritance {
    /// The network that validation chose.
    Weights,
    /// The last network, and what its optimizer and its average keep.
    WeightsAndOptimizer,
    /// Everything: it goes on with more epochs.
    Everything,
}

/// A network that a run learns from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TeacherRecord {
    /// Name of its run.
    pub run: String,
    /// Where its folder lay, an absolute path; `None` where that is not Unicode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// Its seed.
    pub seed: u64,
    /// The folder of its phase among the checkpoints of the seed; `None` for the joint training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Epochs that it was trained for.
    pub epoch: usize,
    /// The edge length of the images that it has learnt from, in pixels, where that is not the student's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_size: Option<usize>,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What it counts for, by the name of each task that it teaches; above 0.
    pub weights: BTreeMap<String, f64>,
    /// Its macro-F1 on the validation split, by the name of each task that it teaches, where that decides for how long it does.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub validation: BTreeMap<String, f64>,
}

/// The run that another one began from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// Its name.
    pub run: String,
    /// Where its folder lay, an absolute path; `None` where that is not Unicode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// What was taken over.
    pub how: Inheritance,
    /// The checkpoints that were taken, by seed of this run.
    pub seeds: BTreeMap<u64, ParentSeed>,
    /// Parameters that the parent's network did not have, and that were initialised: those of other heads.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub initialised: BTreeSet<String>,
}

/// The checkpoint of a parent that a seed began from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentSeed {
    /// Seed of the parent.
    pub seed: u64,
    /// Epochs finished when it was saved.
    pub epoch: usize,
    /// SHA-256 of the network's file.
    pub sha256: String,
}

/// A file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsRecord {
    /// File name, without its folder.
    pub file: String,
    /// SHA-256 of the file.
    pub sha256: String,
}

/// One data file of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRecord {
    /// What it is taken for.
    pub task: TaskSpec,
    /// File name, without its folder.
    pub file: String,
    /// MD5 of the file, as MedMNIST publishes it.
    pub md5: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Which published release the file is, if any.
    pub release: Option<String>,
    /// Images per split.
    pub rows: BTreeMap<Split, usize>,
    /// Examples per class in the splits one may look at: train and val, never test, whose labels are sealed. For
    /// multi-label tasks, how often each label is set. May be empty, as in older manifests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub class_counts: BTreeMap<Split, Vec<u64>>,
}

impl DataRecord {
    /// How a file with this SHA-256 differs from the one recorded; `None` if it does not. Everything that a run is to be used with
    /// again is compared by this.
    pub fn difference(&self, sha256: &str) -> Option<String> {
        let short = |hash: &str| hash.chars().take(12).chain(['…']).collect::<String>();
        (self.sha256 != sha256).then(|| format!("its SHA-256 was {}, it is {}", short(&self.sha256), short(sha256)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_depend_on_instructions_where_they_were_recorded() {
        let text = r#"{"medley": "0.2.0", "libtorch": "2.11.0", "device": "cpu", "cpu_capability": "AVX512", "threads": 1, "precision": "bf16",
            "memory_layout": "channels_last", "platform": "linux-x86_64"}"#;
        let old: Environment = serde_json::from_str(text).unwrap();
        let with = |instructions: &str, mode: Option<&str>| Environment {
            kernel_instructions: Some(instructions.into()),
            mkl_cbwr: mode.map(Into::into),
            ..old.clone()
        };
        let (amx, strict) = (with("AMX", None), with("AMX", Some("AVX512,STRICT")));
        assert!(old.same_bits_as(&strict) && strict.same_bits_as(&old), "what was not recorded counts as equal");
        assert!(amx.same_bits_as(&amx));
        assert!(!amx.same_bits_as(&strict) && !amx.same_bits_as(&with("AVX512_BF16", None)));
        let other = Environment { threads: 2, ..old.clone() };
        assert!(!old.same_bits_as(&other));
        assert_eq!(serde_json::from_str::<Environment>(&serde_json::to_string(&strict).unwrap()).unwrap(), strict);
    }
}
