//! The `[net]` table of an experiment.

use std::collections::BTreeMap;
use std::path::PathBuf;

use medley_core::keys::{KeyError, Table as _};

use crate::backbones::{self, Stem};
use crate::conformance::task;
use crate::layers::VolumeConvolution;
use crate::{BuildOptions, ModelError, MultiTaskNet};

medley_core::keys! {
    /// Which backbone, and in which form. What is left out is as published.
    #[derive(Eq)]
    pub struct BackboneConfig {
        /// A name of `medley models list`: the trunk that all tasks share.
        name: String = "resnet9".to_owned();
        /// Channels of the first stage; left out, as published.
        width: Option<usize> = None, in 1..;
        /// Number of layers, for `wide_resnet`: 16, 22, 28 or 40.
        depth: Option<usize> = None;
        /// What comes before the first block; left out, `small` below 64 pixels, else `imagenet`.
        stem: Option<Stem> = None;
        /// Whether a frozen convolution comes first that makes the values of patches of 2x2 pixels uncorrelated (Jordan, *94% on CIFAR-10 in
        /// 3.29 Seconds on a Single GPU*, 2024), measured on training images when a seed begins; left out, it does not.
        whitening: Option<bool> = None;
        /// For the backbones over volumes.
        convolution: Option<VolumeConvolution> = None;
    }
}

impl BackboneConfig {
    /// The backbone as published.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), width: None, depth: None, stem: None, whitening: None, convolution: None }
    }

    /// The backbone with another number of channels.
    pub fn with_width(name: impl Into<String>, width: usize) -> Self {
        Self { width: Some(width), ..Self::named(name) }
    }
}

medley_core::choices! {
    /// What each task has of its own in every `BatchNorm` of the trunk.
    #[derive(Default)]
    pub enum BatchNormScope {
        /// Nothing: one mean, variance, scale and shift for all tasks.
        #[default]
        Shared = "shared",
        /// Mean, variance, scale and shift.
        PerTask = "per_task",
        /// Mean and variance (running and of the batch); scale and shift are shared.
        PerTaskStatistics = "per_task_statistics",
        /// Scale and shift; mean and variance are those of the whole batch.
        PerTaskAffine = "per_task_affine",
    }
}

impl BatchNormScope {
    pub(crate) fn own_statistics(self) -> bool {
        matches!(self, Self::PerTask | Self::PerTaskStatistics)
    }

    pub(crate) fn own_affine(self) -> bool {
        matches!(self, Self::PerTask | Self::PerTaskAffine)
    }
}

medley_core::keys! {
    /// The network: a trunk that all tasks share, and a head for each.
    ///
    /// [`NetConfig::validated`] gives what can be built.
    pub struct NetConfig {
        /// The shared trunk.
        backbone: BackboneConfig = BackboneConfig::default();
        /// Edge length that images are resized to in the batch, after augmentation, in training and in prediction; left out, they stay as
        /// they are. Bilinear, as PyTorch's `interpolate` with `align_corners=False`. Weights trained on large images are then of
        /// use for small ones: with `stem = "imagenet"`, 64 or more.
        input_size: Option<usize> = None, in 8..=4096;
        /// A safetensors file that the trunk starts from, under the names of torchvision, timm or the official benchmark (`medley models
        /// show` says whose fit); relative to the folder in which `medley` runs; heads are initialised as usual.
        pretrained: Option<PathBuf> = None;
        /// Probability of dropping a feature before the heads.
        dropout: f64 = 0.0, in 0.0..1.0;
        /// What each task has of its own in every `BatchNorm`.
        batch_norm: BatchNormScope = BatchNormScope::Shared;
        /// Whether each task adds a 1x1 convolution of its own to every larger convolution of the trunk (residual adapters).
        adapters: bool = false;
        /// Length of a learnt vector per task that scales and shifts channels after every norm of the trunk (`FiLM`); 0 for none.
        task_embedding: usize = 0, in 0..=1024;
        /// Heads that several tasks share, by name: `{ organ = ["organamnist", "organcmnist"] }`; their classes must be the same, in
        /// the same order. A task named nowhere has a head of its own.
        shared_heads: BTreeMap<String, Vec<String>> = BTreeMap::new();
    }
}

/// A [`NetConfig`] whose values have been checked, with its backbone found.
#[derive(Debug, Clone)]
pub struct ValidatedNet {
    pub(crate) config: NetConfig,
    pub(crate) backbone: &'static backbones::Entry,
}

impl NetConfig {
    /// Checks every value that can be checked without knowing the tasks.
    ///
    /// # Errors
    /// [`ModelError::UnknownBackbone`] with the nearest known name, or [`ModelError::Config`] naming the key.
    pub fn validated(&self) -> Result<ValidatedNet, ModelError> {
        self.check("net").map_err(|KeyError { key, value, allowed }| ModelError::Config {
            key,
            value,
            problem: format!("it must be {allowed}"),
        })?;
        let backbone = backbones::find(&self.backbone.name)?;
        backbone.check(self)?;
        let mut homes: BTreeMap<&str, &str> = BTreeMap::new();
        for (head, tasks) in &self.shared_heads {
            let key = || format!("net.shared_heads.{head}");
            if tasks.is_empty() {
                return Err(ModelError::config(key(), "[]", "a head needs at least one task"));
            }
            for task in tasks {
                if let Some(other) = homes.insert(task, head) {
                    let problem = format!("the task is also listed under `{other}`; a task has one head");
                    return Err(ModelError::config(key(), format!("`{task}`"), problem));
                }
            }
        }
        Ok(ValidatedNet { config: self.clone(), backbone })
    }
}

impl ValidatedNet {
    /// Edge length of what the trunk sees of images of edge length `image_size`.
    pub fn input_size(&self, image_size: i64) -> i64 {
        self.config.input_size.map_or(image_size, |side| side as i64)
    }

    /// Whether the trunk can be built for images of edge length `image_size`. It is built without its memory.
    ///
    /// # Errors
    /// [`ModelError::Config`] with the key.
    pub fn check_image_size(&self, input_channels: i64, image_size: i64) -> Result<(), ModelError> {
        let options = BuildOptions { input_channels, input_size: image_size, ..BuildOptions::default() };
        MultiTaskNet::outline(self, &[task("any", 1)], &options).map(drop)
    }

    /// The config as written.
    pub fn config(&self) -> &NetConfig {
        &self.config
    }

    /// The registry's entry of the backbone.
    pub fn backbone(&self) -> &'static backbones::Entry {
        self.backbone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_round_trip() {
        let config = NetConfig::default();
        config.validated().unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(
            text,
            r#"{"backbone":{"name":"resnet9"},"dropout":0.0,"batch_norm":"shared","adapters":false,"task_embedding":0}"#
        );
        assert_eq!(serde_json::from_str::<NetConfig>(&text).unwrap(), config);
        assert_eq!(serde_json::from_str::<NetConfig>("{}").unwrap(), config);
    }

    #[test]
    fn errors_name_the_key() {
        let error = |json: &str| match serde_json::from_str::<NetConfig>(json) {
            Ok(config) => config.validated().unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(
            error(r#"{"backbone":{"name":"resnet-18"}}"#),
            "no backbone is called `resnet-18`; did you mean `resnet18`?"
        );
        assert!(error(r#"{"backbone":{"name":"resnet9","width":0}}"#).starts_with("`net.backbone.width` is 0"));
        let linear = |rest: &str| error(&format!(r#"{{"backbone":{{"name":"linear"{rest}"#));
        let message = linear(r#","width":3}}"#);
        assert!(
            message.starts_with("`net.backbone.width` is 3: it is not a key of `linear`, but of mlp,"),
            "{message}"
        );
        assert_eq!(
            error(r#"{"backbone":{"name":"resnet9","depth":16}}"#),
            "`net.backbone.depth` is 16: it is not a key of `resnet9`, but of wide_resnet"
        );
        let message = error(r#"{"backbone":{"name":"vit_tiny","width":100}}"#);
        assert_eq!(message, "`net.backbone.width` is 100: `vit_tiny` takes [64, 4096], a multiple of 64");
        assert_eq!(
            linear(r#"},"batch_norm":"per_task"}"#),
            "`net.batch_norm` is not `shared`: `linear` has no BatchNorm"
        );
        assert!(linear(r#"},"adapters":true}"#).contains("no convolutions"));
        assert!(linear(r#"},"task_embedding":8}"#).contains("no normalisation"));
        assert!(linear(r#","convolution":"acs"}}"#).ends_with("but of resnet18_3d, resnet50_3d"));
        assert!(error(r#"{"backbone":{"name":"wide_resnet","depth":17}}"#).ends_with("takes 16, 22, 28, 40"));
        assert!(error(r#"{"dropout":1.0}"#).starts_with("`net.dropout` is 1"));
        assert!(error(r#"{"drop":0.1}"#).contains("unknown field `drop`"));
        assert!(error(r#"{"shared_heads":{"a":["x"],"b":["x"]}}"#).contains("also listed under `a`"));
    }
}
