//! The tables of an experiment: keys, defaults, ranges.

use std::collections::BTreeMap;

use medley_augment::PolicyConfig;
use medley_augment::mix::MixConfig;
use medley_core::keys::{KeyError, Table as _, Value as _};
use medley_models::NetConfig;
use serde::{Deserialize, Serialize};

use crate::components::averages::AverageConfig;
use crate::components::callbacks::{FreezeConfig, StopConfig};
use crate::components::losses::LossTable;
use crate::components::optimizers::OptimizerConfig;
use crate::components::schedules::ScheduleConfig;
use crate::components::selections::SelectConfig;
use crate::components::task_weights::TaskWeightsConfig;
use crate::distill::DistillConfig;
use crate::engine::soup::SoupConfig;
use crate::folds::FoldsConfig;
use crate::phases::PhaseConfig;

/// An experiment as written. Every key but `name` and `tasks` has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawExperiment {
    /// Names the run folder: `runs/<name>-<k>`. Letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Tasks by name, in the order of heads and reports.
    pub tasks: Vec<String>,
    /// One seed run each.
    #[serde(default = "default_seeds")]
    pub seeds: Vec<u64>,
    /// What is read.
    #[serde(default)]
    pub data: DataConfig,
    /// Which rows are validated on.
    #[serde(default)]
    pub folds: FoldsConfig,
    /// How training images are varied.
    #[serde(default)]
    pub augment: AugmentConfig,
    /// The network.
    #[serde(default)]
    pub net: NetConfig,
    /// Which samples make an epoch.
    #[serde(default)]
    pub sampler: SamplerConfig,
    /// What is minimised.
    #[serde(default)]
    pub loss: LossTable,
    /// By what the losses of tasks are multiplied.
    #[serde(default)]
    pub task_weights: TaskWeightsConfig,
    /// How it is minimised.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate moves.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// What is validated and kept in place of the network.
    #[serde(default)]
    pub average: AverageConfig,
    /// Which epoch is kept.
    #[serde(default)]
    pub select: SelectConfig,
    /// How long, how much at once, on what.
    #[serde(default)]
    pub train: TrainConfig,
    /// What ends training before its last epoch.
    #[serde(default)]
    pub stop: StopConfig,
    /// What is not trained in the first epochs.
    #[serde(default)]
    pub freeze: FreezeConfig,
    /// What comes after the training of all tasks together.
    #[serde(default)]
    pub phases: Vec<PhaseConfig>,
    /// The mean of the best epochs.
    #[serde(default)]
    pub soup: SoupConfig,
    /// Runs that are learnt from.
    #[serde(default)]
    pub distill: DistillConfig,
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}

impl RawExperiment {
    /// Checks the ranges of all keys.
    ///
    /// # Errors
    /// The first value that is outside its range.
    pub(super) fn check_ranges(&self) -> Result<(), KeyError> {
        self.data.check("data")?;
        self.folds.check("folds")?;
        self.augment.check("augment")?;
        self.net.check("net")?;
        self.sampler.check("sampler")?;
        self.loss.check("loss")?;
        self.task_weights.check("task_weights")?;
        self.optimizer.check("optimizer")?;
        self.schedule.check("schedule")?;
        self.average.check("average")?;
        self.select.check("select")?;
        self.train.check("train")?;
        self.stop.check("stop")?;
        self.freeze.check("freeze")?;
        self.soup.check("soup")?;
        self.phases.check_within("phases")?;
        self.distill.check("distill")
    }
}

medley_core::keys! {
    /// What is read.
    pub struct DataConfig {
        /// Edge length of the images, which decides the file (`breastmnist.npz`, `breastmnist_64.npz`): 28, a MedMNIST+ size (64, 128,
        /// 224; 64 for volumes), or one that a user's own set was imported at.
        size: usize = 28, in 1..;
        /// The part of the training rows that is trained on, of each class alike: what a smaller set would have taught. Smaller parts are
        /// within larger ones.
        train_fraction: f64 = 1.0, in 1e-4..=1.0;
        /// Another number takes other rows. The seed of a run does not matter to them.
        train_fraction_seed: u64 = 0, in 0..=u64::MAX;
        /// What pixels are normalised by, unless `normalisations` says otherwise.
        normalisation: NormalisationChoice = NormalisationChoice::Measured;
        /// Means and deviations of one's own for a task of `tasks`, by its name.
        normalisations: BTreeMap<String, OwnNormalisation> = BTreeMap::new();
    }
}

medley_core::choices! {
    /// `data.normalisation`
    pub enum NormalisationChoice {
        /// Mean and deviation of each channel over the training images of the task.
        Measured = "measured",
        /// 0.5 and 0.5, so that pixels lie between -1 and 1, as the official benchmark has it.
        Half = "half",
    }
}

medley_core::keys! {
    /// `[data.normalisations.NAME]`: a pixel is its value from 0 to 1, less the mean, over the deviation.
    pub struct OwnNormalisation {
        /// One per channel of the images.
        mean: Vec<f64>, in -10.0..=10.0;
        /// One per channel of the images.
        std: Vec<f64>, in 1e-3..=100.0;
    }
}

medley_core::keys! {
    /// Training images only; validation and test images are as stored. The bits of a run depend on the policies, not on `workers`
    /// or `prefetch`.
    pub struct AugmentConfig {
        /// The policy of tasks that `policies` does not name.
        policy: PolicyChoice = PolicyChoice::Builtin;
        /// A policy of its own for a task of `tasks`, by its name.
        policies: BTreeMap<String, PolicyConfig> = BTreeMap::new();
        /// Threads that prepare batches ahead of time; 0 prepares them in the training thread.
        workers: usize = 1, in 0..=256;
        /// Batches prepared ahead of time.
        prefetch: usize = 4, in 1..=1024;
        /// Images of a batch mixed in pairs, and their labels with them.
        mix: MixConfig = MixConfig::default();
        /// The tasks whose images are mixed; left out, all.
        mix_tasks: Option<Vec<String>> = None;
        /// Versions of each image that the finished network sees, whose probabilities are averaged: those that `medley test` predicts
        /// with, and the results of the validation split. Epochs are chosen without them.
        test_time_views: ViewsChoice = ViewsChoice::None;
    }
}

medley_core::choices! {
    /// Which augmentation tasks get by default.
    pub enum PolicyChoice {
        /// Each task gets the policy of its modality (no flips where left and right mean something).
        Builtin = "builtin",
        /// Images as they are.
        None = "none",
    }
}

medley_core::choices! {
    /// `augment.test_time_views`
    pub enum ViewsChoice {
        /// The image as it is.
        None = "none",
        /// Flips, turns or shifts by a pixel that can occur in the modality of the task.
        Builtin = "builtin",
    }
}

medley_core::keys! {
    /// Which samples make an epoch.
    pub struct SamplerConfig {
        /// A task's share of an epoch is proportional to `rows^alpha`: 1 visits every row equally often, 0 every task.
        alpha: f64 = 0.5, in 0.0..=1.0;
        /// What that share is multiplied by, by task, such as `{ dermamnist = 2.0 }`; 1 for those that are left out. Other tasks get less.
        weights: BTreeMap<String, f64> = BTreeMap::new(), in 1e-3..=1e3;
        /// How strongly shares follow the validation: after each epoch, that of a task is multiplied by `(1 - macro-F1)^need`, and at least by
        /// `0.01^need` (after Guo et al., *Dynamic Task Prioritization for Multitask Learning*, 2018); with 0 they stay as they are.
        need: f64 = 0.0, in 0.0..=4.0;
        /// Training images per epoch; left out, as many as there are training rows.
        samples_per_epoch: Option<usize> = None, in 2..=20_000_000;
        /// How often each image stands in a batch, augmented anew each time (Hoffer et al., *Augment Your Batch*, 2020). Batches and epochs
        /// have as many images as before, so that an epoch visits fewer rows. A batch may end between the copies of an image.
        repeats: usize = 1, in 1..=64;
    }
}

medley_core::keys! {
    /// How long, how much at once, on what.
    pub struct TrainConfig {
        /// Epochs per seed.
        epochs: usize = 10, in 1..=100_000;
        /// What the whole run may take, all seeds together: time, such as `20min`, `90s` or `1.5h`, processor time over all cores, such as
        /// `20 cpu min`, or `2000 steps`. The run gets as many whole epochs as fit, one at least and `epochs` at most, so that the schedule knows the end.
        /// For times, some steps are timed before it begins, and seeds that turn out slower stop when their share is over: how many
        /// epochs there are depends on the clock, and stands in the config of the run.
        budget: Option<String> = None;
        /// Images per optimizer step, over all tasks.
        batch_size: usize = 128, in 2..=8192;
        /// Images at once in validation and test; left out, 512, and fewer of those with more values than 64x64 pixels in colour, so
        /// that they take no more memory.
        predict_batch_size: Option<usize> = None, in 1..=8192;
        /// `cpu`, `cuda` or `cuda:N`.
        device: String = "cpu".to_owned();
        /// Cores that are used; left out, all. The bits depend on it.
        threads: Option<usize> = None, in 1..=1024;
        /// Networks that share each batch, one thread each, at most `batch_size`; 1 is one network with all threads inside each
        /// operation; left out, by calibration. The bits depend on it.
        replicas: Option<usize> = None, in 1..=256;
        /// Of products; parameters, statistics and losses are always fp32. The bits depend on it.
        precision: PrecisionChoice = PrecisionChoice::Auto;
        /// Order of values in memory. The bits depend on it.
        memory_layout: LayoutChoice = LayoutChoice::Auto;
        /// What computes convolutions. The bits depend on it.
        convolutions: ConvolutionsChoice = ConvolutionsChoice::Auto;
        /// What becomes of a step whose loss or gradient is not finite. The first batch of such steps in a row is written to
        /// `bad_batches/` of the run folder.
        on_nan: OnNan = OnNan::Skip;
        /// Such steps in a row that are skipped or rolled back, before training stops with exit code 5.
        max_bad_steps: usize = 10, in 0..=1_000_000;
    }
}

medley_core::choices! {
    /// `train.on_nan`
    pub enum OnNan {
        /// Nothing is learnt from its batch, and training goes on with the next.
        Skip = "skip",
        /// Training stops with exit code 5.
        Stop = "stop",
        /// Network, optimizer and average become what they were when the epoch began, and training goes on with the next batch.
        RollBack = "roll_back",
    }
}

medley_core::choices! {
    /// `train.precision`
    pub enum PrecisionChoice {
        /// By calibration.
        Auto = "auto",
        /// 32-bit products.
        Fp32 = "fp32",
        /// bfloat16 products.
        Bf16 = "bf16",
    }
}

medley_core::choices! {
    /// `train.convolutions`
    pub enum ConvolutionsChoice {
        /// By calibration.
        Auto = "auto",
        /// The kernels of libtorch.
        Libtorch = "libtorch",
        /// Winograd's algorithm and other kernels of our own, with channels last on the CPU.
        Winograd = "winograd",
        /// Weight gradients of deep layers on few pixels as one matrix product, in bf16 with channels last on the CPU.
        Im2col = "im2col",
    }
}

medley_core::choices! {
    /// `train.memory_layout`
    pub enum LayoutChoice {
        /// By calibration.
        Auto = "auto",
        /// Channel planes one after another, as PyTorch does by default.
        Contiguous = "contiguous",
        /// All channels of a pixel together, as images are stored.
        ChannelsLast = "channels_last",
    }
}
