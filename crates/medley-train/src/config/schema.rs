//! The keys of an experiment, their defaults and their ranges.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use medley_augment::{AugmentError, PolicyConfig};
use medley_data::Registry;
use medley_models::{NetConfig, ValidatedNet, device};
use serde::{Deserialize, Serialize};
use tch::Device;

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
    pub loss: LossConfig,
    /// How it is minimised.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate moves.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// How long, how much at once, on what.
    #[serde(default)]
    pub train: TrainConfig,
}

fn default_seeds() -> Vec<u64> {
    vec![0]
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// Edge length of the images: 28, a MedMNIST+ size, or one that a user's own set was imported at.
    pub size: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { size: 28 }
    }
}

/// `[augment]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// `builtin`: the policy of each task's modality. `none`: images as they are.
    pub policy: PolicyChoice,
    /// Policies that replace the chosen one, by task.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub policies: BTreeMap<String, PolicyConfig>,
    /// Threads that prepare batches ahead of time; 0 prepares them in the training thread. The bits do not depend on it.
    pub workers: usize,
    /// Batches prepared ahead of time.
    pub prefetch: usize,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self { policy: PolicyChoice::Builtin, policies: BTreeMap::new(), workers: 1, prefetch: 4 }
    }
}

/// Which augmentation tasks get by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyChoice {
    /// By modality.
    Builtin,
    /// None.
    None,
}

/// `[sampler]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerConfig {
    /// Share of a task in an epoch is proportional to `rows^alpha`: 1 samples every row equally, 0 every task equally.
    pub alpha: f64,
    /// Samples in an epoch; by default as many as there are training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub samples_per_epoch: Option<usize>,
}

impl Default for SamplerConfig {
    fn default() -> Self {
        Self { alpha: 0.5, samples_per_epoch: None }
    }
}

/// `[loss]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LossConfig {
    /// Share of the target spread evenly over the classes, 0 to below 1.
    pub label_smoothing: f64,
    /// Weights of classes: proportional to `count^-power`, with mean 1 over the training rows. 0 weighs all rows equally, 1 all
    /// classes.
    pub class_weight_power: f64,
    /// How the tasks of a batch add up.
    pub task_reduction: TaskReduction,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self { label_smoothing: 0.05, class_weight_power: 0.5, task_reduction: TaskReduction::Samples }
    }
}

/// How the losses of the tasks in a batch become one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskReduction {
    /// The mean over all samples.
    Samples,
    /// The mean over the tasks present of their means.
    Tasks,
}

/// `[optimizer]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Which one.
    pub name: OptimizerName,
    /// Peak learning rate, per step.
    pub learning_rate: f64,
    /// Decay of matrices and filters; biases and normalisation are not decayed. Decoupled for `adamw` (per step: times the
    /// learning rate), added to the gradient for `sgd`.
    pub weight_decay: f64,
    /// First moment (`adamw`), or momentum (`sgd`, Nesterov).
    pub momentum: f64,
    /// Second moment (`adamw` only).
    pub beta2: f64,
    /// The gradient's norm is cut to this; 0 leaves it.
    pub gradient_clip: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            name: OptimizerName::AdamW,
            learning_rate: 3e-3,
            weight_decay: 0.05,
            momentum: 0.9,
            beta2: 0.99,
            gradient_clip: 1.0,
        }
    }
}

/// The optimizers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerName {
    /// Loshchilov and Hutter, 2019.
    AdamW,
    /// With Nesterov momentum.
    Sgd,
}

/// `[schedule]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// Its shape after the warm-up.
    pub name: ScheduleName,
    /// Share of all steps over which the rate rises linearly to its peak, 0 to 1.
    pub warmup: f64,
    /// The last rate as a share of the peak, 0 to 1.
    pub final_ratio: f64,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self { name: ScheduleName::Cosine, warmup: 0.15, final_ratio: 0.001 }
    }
}

/// The shapes of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// The peak throughout.
    Constant,
    /// A straight line.
    Linear,
    /// Half a cosine.
    Cosine,
    /// Tenfold down after one half and three quarters, as in the official benchmark.
    MultiStep,
}

/// `[train]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Epochs per seed.
    pub epochs: usize,
    /// Images per optimizer step, over all tasks.
    pub batch_size: usize,
    /// Images per step of prediction; by default 512, and fewer of those that have more values than 64x64 pixels in colour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predict_batch_size: Option<usize>,
    /// Decay per step of the exponential moving average of the parameters that is validated and kept; 0 keeps the
    /// parameters themselves. Early in training the decay is at most `(1 + step) / (10 + step)`.
    pub ema_decay: f64,
    /// `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// Cores that are used; by default all. The bits depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<usize>,
    /// Networks that share each batch, one thread each; 1 is one network with all threads inside each operation. By default
    /// what was faster when it was tried. The bits depend on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<usize>,
    /// `fp32`, `bf16`, or `auto`: what was faster when it was tried. The bits depend on it.
    pub precision: PrecisionChoice,
    /// `contiguous`, `channels_last`, or `auto`: what was faster when it was tried. The bits depend on it.
    pub memory_layout: LayoutChoice,
    /// Steps in a row whose loss or gradient may be infinite or NaN (they are skipped) before training stops.
    pub max_bad_steps: usize,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 10,
            batch_size: 128,
            predict_batch_size: None,
            ema_decay: 0.998,
            device: "cpu".into(),
            threads: None,
            replicas: None,
            precision: PrecisionChoice::Auto,
            memory_layout: LayoutChoice::Auto,
            max_bad_steps: 10,
        }
    }
}

/// `train.precision`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrecisionChoice {
    /// Whatever is fast here.
    Auto,
    /// 32-bit throughout.
    Fp32,
    /// bfloat16 products, 32-bit parameters, statistics and losses.
    Bf16,
}

/// `train.memory_layout`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LayoutChoice {
    /// Whatever is fast here.
    Auto,
    /// Channel planes one after another, as PyTorch does by default.
    Contiguous,
    /// All channels of a pixel together, as images are stored.
    ChannelsLast,
}

/// A value that can be read but not used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("`{key}` = {value}: {problem}")]
pub struct SchemaError {
    /// Dotted key, such as `train.epochs`.
    pub key: String,
    /// What was written.
    pub value: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

/// A checked experiment. There is no way to make one but [`RawExperiment::check`].
#[derive(Debug, Clone)]
pub struct Experiment {
    raw: RawExperiment,
    net: ValidatedNet,
    device: Device,
}

impl Experiment {
    /// The network, checked.
    pub fn validated_net(&self) -> &ValidatedNet {
        &self.net
    }

    /// Where it trains.
    pub fn device(&self) -> Device {
        self.device
    }
}

impl Deref for Experiment {
    type Target = RawExperiment;

    fn deref(&self) -> &RawExperiment {
        &self.raw
    }
}

impl RawExperiment {
    /// Checks ranges and names.
    ///
    /// # Errors
    /// The first value that cannot be used, with its key.
    pub fn check(self, registry: &Registry) -> Result<Experiment, SchemaError> {
        self.check_names(registry)?;
        self.check_training()?;
        self.check_optimization()?;
        let net = self.net.validated().map_err(|error| problem("net", "…", error.to_string()))?;
        self.check_axes(registry, net.backbone().volumes)?;
        let device = parse_device(&self.train.device)?;
        Ok(Experiment { raw: self, net, device })
    }

    /// Flat images need a flat network, volumes one over volumes.
    fn check_axes(&self, registry: &Registry, volumes: bool) -> Result<(), SchemaError> {
        let is_volume = |task: &String| {
            registry.get(task).is_some_and(|entry| entry.spec(self.data.size, entry.origin).shape.depth.is_some())
        };
        let (fits, others): (Vec<_>, Vec<_>) = self.tasks.iter().partition(|task| is_volume(task) == volumes);
        let (ours, theirs) = if volumes { ("volumes", "flat images") } else { ("flat images", "volumes") };
        match (fits.first(), others.first()) {
            (_, None) => Ok(()),
            (Some(task), Some(other)) => Err(problem(
                "tasks",
                format!("{:?}", self.tasks),
                format!("{task} has {ours} and {other} has {theirs}: they need runs of their own"),
            )),
            (None, Some(other)) => {
                let hint = if volumes { "" } else { "; \"resnet18_3d\" would fit" };
                let name = format!("{:?}", self.net.backbone.name);
                Err(problem("net.backbone.name", name, format!("it works on {ours}, and {other} has {theirs}{hint}")))
            }
        }
    }

    fn check_names(&self, registry: &Registry) -> Result<(), SchemaError> {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 100 || !self.name.chars().all(legal) || self.name.starts_with('.')
        {
            let rule = "a run name is 1-100 letters, digits, `-`, `_` or `.`, and does not start with `.`";
            return Err(problem("name", format!("{:?}", self.name), rule));
        }
        if self.tasks.is_empty() {
            return Err(problem("tasks", "[]", "at least one task is needed, such as \"breastmnist\""));
        }
        let mut seen = BTreeSet::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let key = format!("tasks[{index}]");
            let Some(entry) = registry.get(task) else {
                let hint = registry.suggest(task).map_or_else(
                    || "unknown task; `medley data list` names them all".to_owned(),
                    |known| format!("unknown task; did you mean \"{known}\"?"),
                );
                return Err(problem(&key, format!("{task:?}"), hint));
            };
            let sizes = entry.sizes();
            if !sizes.contains(&self.data.size) {
                let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
                let hint = format!("{task} is there at {}", sizes.join(", "));
                return Err(problem("data.size", self.data.size, hint));
            }
            if !seen.insert(task) {
                return Err(problem(&key, format!("{task:?}"), "named twice"));
            }
        }
        for (task, policy) in &self.augment.policies {
            let place = format!("augment.policies.{task}");
            if !seen.contains(task) {
                return Err(problem(&place, "…", "no such task in `tasks`"));
            }
            policy.check().map_err(|error| match error {
                AugmentError::OutOfRange { key, value, allowed } => {
                    problem(&format!("{place}.{key}"), value, format!("must be {allowed}"))
                }
                other => problem(&place, "…", other.to_string()),
            })?;
        }
        let distinct: BTreeSet<_> = self.seeds.iter().collect();
        if self.seeds.is_empty() || distinct.len() != self.seeds.len() {
            return Err(problem("seeds", format!("{:?}", self.seeds), "one or more different seeds are needed"));
        }
        Ok(())
    }

    fn check_training(&self) -> Result<(), SchemaError> {
        let train = &self.train;
        within("train.epochs", train.epochs, 1, 100_000)?;
        within("train.batch_size", train.batch_size, 2, 8_192)?;
        if let Some(images) = train.predict_batch_size {
            within("train.predict_batch_size", images, 1, 8_192)?;
        }
        within("train.max_bad_steps", train.max_bad_steps, 0, 1_000_000)?;
        within("augment.workers", self.augment.workers, 0, 256)?;
        within("augment.prefetch", self.augment.prefetch, 1, 1_024)?;
        if let Some(threads) = train.threads {
            within("train.threads", threads, 1, 1_024)?;
        }
        if let Some(replicas) = train.replicas {
            within("train.replicas", replicas, 1, 256.min(train.batch_size))?;
            if replicas > 1 && train.device != "cpu" {
                return Err(problem("train.replicas", replicas, "replicas share the cores of a CPU; on a GPU use 1"));
            }
        }
        if let Some(samples) = self.sampler.samples_per_epoch {
            within("sampler.samples_per_epoch", samples, 2, 20_000_000)?;
        }
        within("train.ema_decay", train.ema_decay, 0.0, 0.999_999)
    }

    fn check_optimization(&self) -> Result<(), SchemaError> {
        within("sampler.alpha", self.sampler.alpha, 0.0, 1.0)?;
        within("loss.label_smoothing", self.loss.label_smoothing, 0.0, 0.999)?;
        within("loss.class_weight_power", self.loss.class_weight_power, 0.0, 2.0)?;
        within("optimizer.learning_rate", self.optimizer.learning_rate, 1e-12, 1e3)?;
        within("optimizer.weight_decay", self.optimizer.weight_decay, 0.0, 10.0)?;
        within("optimizer.momentum", self.optimizer.momentum, 0.0, 0.999_999)?;
        within("optimizer.beta2", self.optimizer.beta2, 0.0, 0.999_999_9)?;
        within("optimizer.gradient_clip", self.optimizer.gradient_clip, 0.0, 1e9)?;
        within("schedule.warmup", self.schedule.warmup, 0.0, 1.0)?;
        within("schedule.final_ratio", self.schedule.final_ratio, 0.0, 1.0)
    }
}

fn parse_device(text: &str) -> Result<Device, SchemaError> {
    device::parse(text).map_err(|_| problem("train.device", format!("{text:?}"), "use \"cpu\", \"cuda\" or \"cuda:N\""))
}

fn within<T: PartialOrd + std::fmt::Display>(key: &str, value: T, low: T, high: T) -> Result<(), SchemaError> {
    // NaN fails both comparisons, so it is refused.
    if value >= low && value <= high {
        Ok(())
    } else {
        Err(problem(key, value, format!("must lie in {low} to {high}")))
    }
}

fn problem(key: &str, value: impl ToString, problem: impl Into<String>) -> SchemaError {
    SchemaError { key: key.to_owned(), value: value.to_string(), problem: problem.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RawExperiment {
        toml::from_str(text).unwrap()
    }

    fn refused(text: &str) -> String {
        read(text).check(Registry::builtin()).unwrap_err().to_string()
    }

    #[test]
    fn two_keys_suffice() {
        let raw = read("name = 'x'\ntasks = ['breastmnist']");
        assert_eq!(raw.train, TrainConfig::default());
        assert!(raw.check(Registry::builtin()).is_ok());
    }

    #[test]
    fn names_are_checked_with_a_suggestion() {
        assert!(refused("name = 'x'\ntasks = ['brestmnist']").contains("did you mean \"breastmnist\""));
        assert!(refused("name = 'a/b'\ntasks = ['breastmnist']").contains("`name`"));
        assert!(refused("name = 'x'\ntasks = []").contains("at least one task"));
        assert!(refused("name = 'x'\ntasks = ['breastmnist', 'breastmnist']").contains("named twice"));
        assert!(refused("name = 'x'\ntasks = ['breastmnist']\nseeds = [1, 1]").contains("different seeds"));
    }

    #[test]
    fn ranges_name_their_key() {
        for (table, key, value) in [
            ("train", "epochs", "0"),
            ("train", "batch_size", "1"),
            ("train", "device", "'tpu'"),
            ("train", "replicas", "0"),
            ("train", "replicas", "2\ndevice = 'cuda'"),
            ("loss", "label_smoothing", "1.0"),
            ("optimizer", "learning_rate", "nan"),
            ("optimizer", "learning_rate", "-1.0"),
            ("sampler", "alpha", "2.0"),
            ("schedule", "warmup", "1.5"),
            ("data", "size", "29"),
        ] {
            let text = format!("name = 'x'\ntasks = ['breastmnist']\n[{table}]\n{key} = {value}");
            let message = refused(&text);
            assert!(message.starts_with(&format!("`{table}.{key}`")), "{message}");
        }
    }

    #[test]
    fn flat_images_and_volumes_need_networks_of_their_kind() {
        let text =
            |tasks: &str, backbone: &str| format!("name = 'x'\ntasks = [{tasks}]\n[net.backbone]\nname = '{backbone}'");
        for (tasks, backbone, words) in [
            ("'breastmnist'", "resnet18_3d", "breastmnist has flat images"),
            ("'adrenalmnist3d'", "resnet18", "adrenalmnist3d has volumes; \"resnet18_3d\" would fit"),
            ("'breastmnist', 'adrenalmnist3d'", "resnet9", "adrenalmnist3d has volumes: they need runs of their own"),
            (
                "'adrenalmnist3d', 'breastmnist'",
                "resnet18_3d",
                "breastmnist has flat images: they need runs of their own",
            ),
        ] {
            let message = refused(&text(tasks, backbone));
            let key = if tasks.contains(',') { "`tasks`" } else { "`net.backbone.name`" };
            assert!(message.starts_with(key) && message.contains(words), "{message}");
        }
        assert!(read(&text("'adrenalmnist3d'", "resnet18_3d")).check(Registry::builtin()).is_ok());
    }

    #[test]
    fn policies_name_their_key() {
        let step = "name = 'x'\ntasks = ['breastmnist']\n[[augment.policies.breastmnist.steps]]\ntype = 'affine'\n";
        let message = refused(&format!("{step}degrees = 200.0"));
        assert!(message.starts_with("`augment.policies.breastmnist.steps[0].degrees` = 200"), "{message}");
        assert!(read(&format!("{step}degrees = 20.0")).check(Registry::builtin()).is_ok());
    }
}
