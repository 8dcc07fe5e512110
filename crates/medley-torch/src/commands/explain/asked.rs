//! Images that are to be explained, with the network, whatever both come from.

use std::sync::Arc;

use medley_augment::{
    AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource,
};
use medley_core::{ImageShape, ImageSource, TaskKind, TaskSpec};
use medley_explain::{ExplainError, Explanation, Method, Network as _, Options, TaskNetwork, explain};
use medley_models::{ModelError, MultiTaskNet, image_batch, volume_batch};
use medley_train::data::INPUT_CHANNELS;
use tch::{Kind, Tensor};

/// Values of the images in one pass: 64 MiB of them in fp32.
const VALUES: usize = 1 << 24;

/// Images, and the network that explains them.
pub(super) struct Asked {
    /// How the network is called.
    pub(super) model: String,
    pub(super) net: MultiTaskNet,
    /// Index of the task in the network.
    pub(super) task: usize,
    pub(super) spec: TaskSpec,
    pub(super) images: Arc<dyn ImageSource>,
    pub(super) normalisation: Normalisation,
    /// The images that are explained, and what each is called.
    pub(super) rows: Vec<usize>,
    pub(super) names: Vec<String>,
    /// What was done to each on its way, as people are told.
    pub(super) notes: Vec<Vec<String>>,
    /// Pictures that could not be read.
    pub(super) skipped: usize,
}

impl Asked {
    /// Images as the network takes them, `[N, C, H, W]`: the numbers of training and predicting.
    pub(super) fn tensor(&self, rows: &[usize]) -> anyhow::Result<Tensor> {
        normalised(&self.images, &self.normalisation, rows)
    }

    /// Of each image, for each class.
    pub(super) fn probabilities(&self, images: &Tensor) -> Result<Vec<Vec<f64>>, ModelError> {
        let logits = tch::no_grad(|| TaskNetwork::new(&self.net, self.task).pass(images))?.logits;
        probabilities(self.spec.kind, &logits)
    }

    /// The maps. A network without a feature map is explained by integrated gradients instead, if `any` method will do.
    pub(super) fn explain(
        &self,
        images: &Tensor,
        classes: &[usize],
        method: &mut Method,
        any: bool,
        baseline: &[f32],
    ) -> Result<Vec<Explanation>, ExplainError> {
        let network = TaskNetwork::new(&self.net, self.task);
        let batch_size = (VALUES / self.net.input_values().max(1)).clamp(1, 256);
        let options = |method| Options { method, baseline: baseline.to_vec(), batch_size };
        match explain(&network, images, classes, &options(*method)) {
            Err(ExplainError::NoFeatureMap { .. }) if any => {
                *method = Method::INTEGRATED_GRADIENTS;
                explain(&network, images, classes, &options(*method))
            }
            explained => explained,
        }
    }
}

/// Rows of a source, normalised: `[N, C, H, W]` or `[N, C, D, H, W]`.
pub(crate) fn normalised(
    images: &Arc<dyn ImageSource>,
    normalisation: &Normalisation,
    rows: &[usize],
) -> anyhow::Result<Tensor> {
    let source =
        TaskSource { images: Arc::clone(images), policy: PolicyConfig::none(), normalisation: normalisation.clone() };
    let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: INPUT_CHANNELS };
    let assembler = BatchAssembler::new(vec![source], options)?;
    let samples = rows.iter().map(|&index| SampleRef { task: 0, index }).collect();
    let mut pixels = Vec::new();
    assembler.assemble(&BatchRequest { epoch: 0, samples }, false, &mut pixels);
    let ImageShape { depth, height, width, channels } = assembler.shape();
    let [count, height, width, channels] = [rows.len(), height, width, channels].map(|side| side as i64);
    Ok(match depth {
        Some(depth) => volume_batch(&pixels, count, depth as i64, height, width, channels)?,
        None => image_batch(&pixels, count, height, width, channels)?,
    })
}

/// Softmax over classes, or sigmoid for each label: `[N][C]`.
pub(super) fn probabilities(kind: TaskKind, logits: &Tensor) -> Result<Vec<Vec<f64>>, ModelError> {
    let logits = logits.f_detach()?.f_to_kind(Kind::Double)?;
    let shares = if kind == TaskKind::MultiLabel { logits.f_sigmoid()? } else { logits.f_softmax(-1, Kind::Double)? };
    let width = shares.size()[1].max(1) as usize;
    let values: Vec<f64> = Vec::try_from(shares.f_contiguous()?.f_view([-1])?)?;
    Ok(values.chunks(width).map(<[f64]>::to_vec).collect())
}
