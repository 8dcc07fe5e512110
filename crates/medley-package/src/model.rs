//! The description of one task's network.

use std::collections::BTreeMap;
use std::sync::Arc;

use medley_augment::TestTimeView;
use medley_core::record::ChannelStatistics;
use medley_core::{Convolutions, ImageShape, MemoryLayout, Precision, TaskSpec};
use medley_pictures::{Alpha, Input, PictureError, Resizing, Rules, SixteenBit, input_of};
use serde::{Deserialize, Serialize};

use crate::Decision;

/// What the network of one task is, checked: a part of a [`Package`](crate::Package).
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    pub(crate) name: String,
    pub(crate) task: TaskSpec,
    pub(crate) normalisation: ChannelStatistics,
    pub(crate) resizing: Resizing,
    pub(crate) sixteen_bit: SixteenBit,
    pub(crate) alpha: Alpha,
    pub(crate) views: Vec<TestTimeView>,
    pub(crate) decision: Decision,
    pub(crate) unlike: Option<UnlikeThreshold>,
    pub(crate) data: DataOrigin,
    pub(crate) metrics: BTreeMap<String, TaskMetrics>,
    pub(crate) over_seeds: BTreeMap<String, OverSeeds>,
    pub(crate) known_answer: Option<KnownAnswer>,
    pub(crate) lineage: Arc<Lineage>,
}

medley_core::choices! {
    /// By what an image is compared with the training images.
    ///
    /// Energy is that of the logits, `-ln(sum(exp(logit)))` (Liu, Wang, Owens and Li, *Energy-based Out-of-distribution Detection*, `NeurIPS`
    /// 2020); of multi-label tasks the sum of `-ln(1 + exp(logit))` over the labels (Wang, Liu, Bocchieri and Li, *Can multi-label
    /// classification networks know what they don't know?*, `NeurIPS` 2021). Packages that do not say have it.
    ///
    /// Features are what the network sees on its way: the score is the Mahalanobis distance from the training images over the root of the
    /// number of features, about 1 for images like those. Mean and factor are in the file of weights, as `unlike.TASK.mean` and
    /// `unlike.TASK.factor`.
    #[derive(Default)]
    pub enum UnlikeScore {
        /// The energy of the logits.
        #[default]
        Energy = "energy",
        /// The distance of features from those of the training images.
        Features = "features",
    }
}

/// When an image is called unlike the training images.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnlikeThreshold {
    /// By what it is compared.
    #[serde(default)]
    pub score: UnlikeScore,
    /// Scores above it bring a warning.
    pub threshold: f64,
    /// The share of validation images above it, 0 to 1: so often an image like those is called unlike.
    pub false_alarm_rate: f64,
    /// Validation images that it was chosen on.
    pub rows: usize,
}

/// The licence that the training images are under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Licence {
    pub(crate) name: String,
}

impl Licence {
    /// Short name, such as `CC BY 4.0`; a user's own set may say `not stated`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether commercial use is excluded, as by CC BY-NC 4.0.
    pub fn is_noncommercial(&self) -> bool {
        self.name.contains("-NC")
    }
}

/// The file that the network was trained on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataOrigin {
    /// File name, without its folder.
    pub file: String,
    /// SHA-256 of the file, 64 hexadecimal digits.
    pub sha256: String,
    /// MD5 of the file, as MedMNIST publishes it.
    pub md5: String,
    /// Which published release it is, if any.
    pub release: Option<String>,
    /// Its licence.
    pub licence: Licence,
}

/// Scores on a split, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskMetrics {
    /// As the official evaluator defines it; absent where it is not defined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auc: Option<f64>,
    /// As the official evaluator defines it.
    pub accuracy: f64,
    /// As scikit-learn defines it.
    pub macro_f1: f64,
}

/// Scores of all seeds of the run that a network is of: what to expect of the recipe rather than of one network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OverSeeds {
    /// How many there are, at least 2.
    pub seeds: usize,
    /// The mean of each metric.
    pub mean: TaskMetrics,
    /// Its sample standard deviation, with `seeds - 1` in the denominator.
    pub standard_deviation: TaskMetrics,
}

/// Where a network comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lineage {
    /// Name of the run.
    pub run: String,
    /// Seed of the run that trained it.
    pub seed: u64,
    /// Epochs that it was trained for.
    pub epoch: usize,
    /// SHA-256 of the run's `config.toml`, 64 hexadecimal digits.
    pub config_sha256: String,
    /// Version of Medley that trained it.
    pub medley: String,
    /// `git rev-parse HEAD` where it was trained, if that was a repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git_revision: Option<String>,
}

/// How the run computed: who computes so on the same machine gets the run's own bits. Where the processor would emulate bfloat16,
/// predictors may compute in fp32.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compute {
    /// Version of libtorch.
    pub libtorch: String,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// Number format of products.
    pub precision: Precision,
    /// Order in memory.
    pub memory_layout: MemoryLayout,
    /// What computes convolutions.
    pub convolutions: Convolutions,
    /// Intra-op threads of libtorch.
    pub threads: usize,
    /// Replicas that share each batch; 1 is the network alone.
    pub replicas: usize,
    /// Images that were predicted at once.
    pub batch_size: usize,
}

/// What the network said of one image when the package was made, so that whoever has the package can see that it says so still.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownAnswer {
    /// The network's probabilities, uncalibrated, for [`Model::known_image`].
    pub probabilities: Vec<f32>,
}

medley_core::choices! {
    /// The number format that weights are stored in. They are read to fp32.
    #[derive(Default)]
    pub enum NumberFormat {
        /// As they were trained.
        #[default]
        Fp32 = "fp32",
        /// The upper half of fp32: half the size, rounded to 8 bits.
        Bf16 = "bf16",
        /// IEEE 754 binary16: half the size, rounded to 11 bits, up to 65,504.
        Fp16 = "fp16",
    }
}

/// The file of weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// Its name, beside `model.toml`.
    pub file: String,
    /// SHA-256, 64 hexadecimal digits.
    pub sha256: String,
    /// Its length.
    pub bytes: u64,
    /// The number format of its tensors.
    pub format: NumberFormat,
}

impl Model {
    /// Name of the model: of one path component, as `medley_core::names::is_name` says. Unique among those of a package.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The task: its name, title, kind, modality and classes in order.
    pub fn task(&self) -> &TaskSpec {
        &self.task
    }

    /// Names of the classes (labels of multi-label tasks), in the order of probabilities.
    pub fn classes(&self) -> &[String] {
        &self.task.classes
    }

    /// Shape of one image: square, or a cube; one channel (grey) or three (RGB).
    pub fn input(&self) -> ImageShape {
        self.task.shape
    }

    /// What pixels are normalised by, one number per channel, with byte 255 as 1. A [`Classifier`](crate::Classifier) does it; who uses
    /// the weights elsewhere must.
    pub fn normalisation(&self) -> &ChannelStatistics {
        &self.normalisation
    }

    /// How a picture of any size gets that of the input.
    pub fn resizing(&self) -> Resizing {
        self.resizing
    }

    /// The versions of each image whose probabilities are averaged; one, as it is, unless the run asked for more.
    pub fn views(&self) -> &[TestTimeView] {
        &self.views
    }

    /// How probabilities become labels.
    pub fn decision(&self) -> &Decision {
        &self.decision
    }

    /// When an image is called unlike the training images; `None` if the threshold was not chosen.
    pub fn unlike(&self) -> Option<&UnlikeThreshold> {
        self.unlike.as_ref()
    }

    /// What it was trained on.
    pub fn data(&self) -> &DataOrigin {
        &self.data
    }

    /// Scores by split (`val`, `test`).
    pub fn metrics(&self) -> &BTreeMap<String, TaskMetrics> {
        &self.metrics
    }

    /// Mean and spread over the seeds of its run, by split (`val`, `test`); empty where the run has one seed.
    pub fn over_seeds(&self) -> &BTreeMap<String, OverSeeds> {
        &self.over_seeds
    }

    /// What the network said of [`Self::known_image`] when the package was made.
    pub fn known_answer(&self) -> Option<&KnownAnswer> {
        self.known_answer.as_ref()
    }

    /// An image of the input's shape that is the same everywhere: waves of several lengths, drawn by integers.
    pub fn known_image(&self) -> Vec<u8> {
        let wave = |index: usize| (index * index / 7 + index * 31) % 509;
        (0..self.input().len()).map(|index| (wave(index) / 2) as u8).collect()
    }

    /// Where it comes from.
    pub fn lineage(&self) -> &Lineage {
        &self.lineage
    }

    /// How pictures are read where a file leaves it open, as the training images were; limits are the defaults.
    pub fn picture_rules(&self) -> Rules {
        Rules { sixteen_bit: self.sixteen_bit, alpha: self.alpha, ..Rules::default() }
    }

    /// One image of the model's input, from the bytes of a picture of any form and size, with notes on what was done to it.
    ///
    /// # Errors
    /// What is wrong with the picture.
    pub fn decode(&self, bytes: &[u8], rules: &Rules) -> Result<Input, PictureError> {
        input_of(bytes, self.input(), self.resizing, rules)
    }
}
