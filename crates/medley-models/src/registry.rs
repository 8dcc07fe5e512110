//! What there is to choose from, and what it costs, for programs to print.

use medley_core::keys::Key;
use serde::Serialize;

use crate::backbones::{self, Entry, Stem};
use crate::config::{BackboneConfig, BatchNormScope, NetConfig};
use crate::conformance::task;
use crate::{BuildOptions, ModelError, MultiTaskNet, Part};

/// A line of the list of backbones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "a table of what a backbone has")]
pub struct BackboneSummary {
    /// Name in configs.
    pub name: &'static str,
    /// One sentence.
    pub summary: &'static str,
    /// Channels of the first stage as published; 0 if there is nothing to choose.
    pub default_width: i64,
    /// Legal widths are multiples of this.
    pub width_step: i64,
    /// Legal numbers of layers, the default first; empty if there is nothing to choose.
    pub depths: &'static [usize],
    /// Smallest height and width of the input.
    pub smallest_input: i64,
    /// Whether there is a stem for small images and one for large ones.
    pub stems: bool,
    /// Whether it works on volumes.
    pub volumes: bool,
    /// Whether tasks can have their own `BatchNorm`.
    pub batch_norm: bool,
    /// Whether tasks can have residual adapters.
    pub adapters: bool,
    /// Whether tasks can have embeddings that modulate it.
    pub task_embedding: bool,
    /// Library and model whose weights fit, with the stem for large images.
    pub pretrained: Option<&'static str>,
    /// The keys of `[net.backbone]` that it has.
    pub keys: Vec<Key>,
}

/// All backbones, in order.
pub fn registry() -> Vec<BackboneSummary> {
    backbones::all().iter().map(summarise).collect()
}

fn summarise(entry: &Entry) -> BackboneSummary {
    BackboneSummary {
        name: entry.name,
        summary: entry.summary,
        default_width: entry.width.unwrap_or(0),
        width_step: entry.width_step,
        depths: entry.depths,
        smallest_input: entry.smallest_input,
        stems: entry.stems,
        volumes: entry.volumes,
        batch_norm: entry.batch_norm,
        adapters: entry.adapters,
        task_embedding: entry.norms,
        pretrained: entry.pretrained.map(|pretrained| pretrained.model),
        keys: entry.keys(),
    }
}

/// One backbone at one size, measured by building it and computing one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BackboneDescription {
    /// Its line in the list.
    #[serde(flatten)]
    pub summary: BackboneSummary,
    /// Channels of the first stage here.
    pub width: i64,
    /// The stem here, if there are two.
    pub stem: Option<Stem>,
    /// Channels of the input.
    pub input_channels: i64,
    /// Height and width (and depth) of the input.
    pub input_size: i64,
    /// Features per image.
    pub features: i64,
    /// Trainable values of the trunk, without heads.
    pub parameters: usize,
    /// Bytes of the fp32 weights.
    pub weight_bytes: usize,
    /// Multiplications with accumulation for one image, forward. Training takes about three times as many.
    pub macs: u64,
    /// Bytes of activations that training keeps per image in bfloat16; fp32 needs twice as many. An estimate.
    pub activation_bytes_bf16: u64,
    /// Pixels a side that one position of the last feature map depends on; `None` is all of them.
    pub receptive_field: Option<i64>,
    /// What one more task costs besides its head, in trainable values, for each option that the backbone has.
    pub cost_per_task: CostPerTask,
}

/// Trainable values that one task adds to the trunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct CostPerTask {
    /// With `batch_norm = "per_task"`.
    pub batch_norm: Option<usize>,
    /// With `adapters = true`.
    pub adapters: Option<usize>,
    /// With `task_embedding = 16`; the maps that all tasks share come on top, see [`Self::task_embedding_shared`].
    pub task_embedding: Option<usize>,
    /// The maps from embeddings of length 16 to scales and shifts, once for all tasks.
    pub task_embedding_shared: Option<usize>,
}

const EMBEDDING: usize = 16;

/// Builds a backbone and measures it.
///
/// # Errors
/// As [`MultiTaskNet::build`].
pub fn describe(
    backbone: &BackboneConfig,
    input_channels: i64,
    input_size: i64,
) -> Result<BackboneDescription, ModelError> {
    let entry = backbones::find(&backbone.name)?;
    let options = BuildOptions { input_channels, input_size, ..BuildOptions::default() };
    let build = |config: NetConfig| {
        let config = NetConfig { backbone: backbone.clone(), ..config };
        MultiTaskNet::outline(&config.validated()?, &[task("task", 1)], &options)
    };
    let part = |net: &MultiTaskNet, part| net.parameter_cost().get(&part).copied().unwrap_or(0);
    let net = build(NetConfig::default())?;
    let work = net.work()?;
    // A head of one output has one weight per feature and a bias.
    let features = part(&net, Part::Heads) - 1;
    let cost_of = |has: bool, config: NetConfig, of: Part| -> Result<Option<usize>, ModelError> {
        has.then(|| Ok(part(&build(config)?, of))).transpose()
    };
    let per_task = NetConfig { batch_norm: BatchNormScope::PerTask, ..NetConfig::default() };
    let adapters = NetConfig { adapters: true, ..NetConfig::default() };
    let embedding = NetConfig { task_embedding: EMBEDDING, ..NetConfig::default() };
    let embedded = cost_of(entry.norms, embedding, Part::TaskEmbedding)?;
    let trunk = part(&net, Part::Trunk);
    Ok(BackboneDescription {
        summary: summarise(entry),
        width: backbone.width.map_or(entry.width.unwrap_or(0), |width| width as i64),
        stem: entry.stems.then(|| entry.stem(backbone, input_size)),
        input_channels,
        input_size,
        features: features as i64,
        parameters: trunk,
        weight_bytes: 4 * trunk,
        macs: work.macs - features as u64,
        activation_bytes_bf16: 2 * work.kept_activations,
        receptive_field: work.receptive_field,
        cost_per_task: CostPerTask {
            batch_norm: cost_of(entry.batch_norm, per_task, Part::TaskNormalisation)?,
            adapters: cost_of(entry.adapters, adapters, Part::Adapters)?,
            task_embedding: embedded.map(|_| EMBEDDING),
            task_embedding_shared: embedded.map(|all| all - EMBEDDING),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, size: i64) -> (usize, u64, Option<i64>) {
        let description = describe(&BackboneConfig::named(name), 3, size).unwrap();
        (description.parameters, description.macs / 1_000_000, description.receptive_field)
    }

    #[test]
    fn sizes_are_the_published_ones() {
        // Receptive fields of VGG-16 and DenseNet-121 are those of Araujo et al., Computing Receptive Fields of Convolutional
        // Neural Networks, 2019; those of the ResNets are theirs but for the place of the strides, which here is torchvision's:
        // r += (kernel - 1) * jump, added by hand.
        assert_eq!(measured("resnet18", 28), (11_168_832, 456, Some(109)));
        assert_eq!(measured("resnet9", 28).1, 69);
        assert_eq!(measured("resnet18", 224), (11_176_512, 1_813, Some(435)));
        assert_eq!(measured("resnet50", 224).2, Some(427));
        assert_eq!(measured("vgg16_bn", 224).2, Some(212));
        assert_eq!(measured("densenet121", 224).2, Some(2071));
        assert_eq!(measured("linear", 28).2, None);
    }

    #[test]
    fn options_cost_what_they_add() {
        let cost = describe(&BackboneConfig::named("resnet18"), 3, 28).unwrap().cost_per_task;
        // 20 norms over 4,800 channels in all, twice.
        assert_eq!(cost.batch_norm, Some(9_600));
        assert_eq!(cost.task_embedding_shared, Some(9_600 * 16));
        // A ninth of the 3x3 convolutions.
        assert_eq!(cost.adapters, Some((11_168_832 - 9_600 - 172_032) / 9));
        let none = describe(&BackboneConfig::named("mlp"), 1, 28).unwrap().cost_per_task;
        assert_eq!((none.batch_norm, none.adapters, none.task_embedding), (None, None, None));
    }
}
