//! A network that computes as its run did.

use std::sync::Arc;

use medley_augment::{
    AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource, TestTimeView,
};
use medley_core::{ImageShape, Images, TaskKind};
use medley_models::{
    BuildOptions, ComputePlan, Inference, ModelError, MultiTaskNet, NetConfig, Precision, Segment, device, environment,
    image_batch, volume_batch, weights,
};
use medley_package::{Compute, Model, Package};
use medley_train::components::losses::probabilities;
use medley_train::data::INPUT_CHANNELS;
use tch::{Device, Kind, Tensor};

use crate::PredictError;
use crate::gaussian::{Gaussian, numbers};

/// The most values of images, as the network sees them, that are computed at once whatever the package says: 1 GiB in fp32.
const MOST_VALUES: usize = 1 << 28;

/// Where and with how much a network computes. What is left out is as in its run, on the CPU.
#[derive(Debug, Clone, Copy, Default)]
pub struct ComputeOptions {
    /// The device.
    pub device: Option<Device>,
    /// Threads inside one operation. Other numbers than the run's may change the last bits.
    pub threads: Option<usize>,
}

impl ComputeOptions {
    /// The plan for a network whose run computed so, on this machine.
    fn plan(self, compute: &Compute) -> ComputePlan {
        let device = self.device.unwrap_or(Device::Cpu);
        self.plan_on(device, environment::fast_bf16(device), compute)
    }

    fn plan_on(self, device: Device, fast_bf16: bool, compute: &Compute) -> ComputePlan {
        if device::name(device) != compute.device {
            // What was fast there need not be here, and its bits cannot be had.
            let threads = self.threads.unwrap_or(compute.threads.max(compute.replicas));
            return ComputePlan { device, threads, ..ComputePlan::default() };
        }
        let Compute { precision, memory_layout, convolutions, .. } = *compute;
        // Where bfloat16 is emulated, fp32 is many times as fast, and closer to the weights.
        let precision = if fast_bf16 { precision } else { Precision::Fp32 };
        let (threads, replicas) = match self.threads {
            None => (compute.threads, compute.replicas),
            Some(threads) => (threads, 1),
        };
        ComputePlan { device, precision, memory_layout, convolutions, threads, replicas }
    }
}

/// What a network answers: probabilities `[N, C]` before any temperature, and how unlike the training images each image is `[N]`. What it
/// sees on its way `[N * views, features]`, for those who asked.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) probabilities: Vec<f32>,
    pub(crate) unlike: Vec<f32>,
    pub(crate) features: Vec<f32>,
}

/// A network of one task. It belongs to the thread that made it: libtorch's number of threads does.
pub(crate) struct Network {
    net: MultiTaskNet,
    task: usize,
    kind: TaskKind,
    shape: ImageShape,
    normalisation: Normalisation,
    views: Vec<TestTimeView>,
    batch_size: usize,
    device: Device,
    replicas: usize,
    gaussian: Option<Gaussian>,
    keep_features: bool,
}

/// What [`Network::build`] needs; it may be sent to the thread that computes.
pub(crate) struct Blueprint {
    pub(crate) package: Package,
    pub(crate) weights: Arc<Vec<u8>>,
    pub(crate) task: usize,
    pub(crate) options: ComputeOptions,
    /// What images are compared with; without it, their energy counts.
    pub(crate) gaussian: Option<Gaussian>,
    /// Whether features are handed over.
    pub(crate) keep_features: bool,
}

/// The `[net]` table, checked.
pub(crate) fn net_config(table: &toml::Table) -> Result<NetConfig, String> {
    toml::Value::Table(table.clone()).try_into().map_err(|error: toml::de::Error| error.to_string())
}

impl Network {
    pub(crate) fn build(blueprint: &Blueprint) -> Result<Self, PredictError> {
        let Blueprint { package, weights, task, options, gaussian, keep_features } = blueprint;
        let model = &package.models()[*task];
        let plan = options.plan(package.compute());
        environment::keep_freed_memory();
        environment::set_threads(plan.threads);
        let net = described(package, Some(plan))?;
        load(&net, weights)?;
        let values = net.input_values().max(1);
        Ok(Self {
            batch_size: package.compute().batch_size.min(MOST_VALUES / values).max(1),
            net,
            task: *task,
            kind: model.task().kind,
            shape: model.input(),
            normalisation: normalisation(model),
            views: model.views().to_vec(),
            device: plan.device,
            replicas: plan.replicas,
            gaussian: gaussian.clone(),
            keep_features: *keep_features,
        })
    }

    pub(crate) fn inference(&self) -> Inference<'_> {
        self.net.inference()
    }

    /// Images `[N, H, W, C]` u8 or volumes, whole ones, in batches as those of the run.
    pub(crate) fn compute(&self, inference: &Inference<'_>, images: Vec<u8>) -> Result<Raw, PredictError> {
        let count = images.len() / self.shape.len().max(1);
        let mut raw = Raw::default();
        if count == 0 {
            return Ok(raw);
        }
        let images = Images::new(self.shape, count, images).map_err(ModelError::Core)?;
        let source = TaskSource {
            images: Arc::new(images),
            policy: PolicyConfig::none(),
            normalisation: self.normalisation.clone(),
        };
        let options = AssemblerOptions { seed: 0, workers: 0, prefetch: 1, channels: INPUT_CHANNELS };
        let failed = |error| PredictError::Train(medley_train::TrainError::Augment(error));
        let assembler = BatchAssembler::new(vec![source], options).map_err(failed)?;
        for start in (0..count).step_by(self.batch_size) {
            let samples = (start..count.min(start + self.batch_size)).map(|index| SampleRef { task: 0, index });
            let request = BatchRequest { epoch: 0, samples: samples.collect() };
            self.compute_batch(inference, &assembler, &request, &mut raw)?;
        }
        Ok(raw)
    }

    /// The mean of the probabilities over all views, as the run averages them, and of how unlike the training images they are. Small batches are
    /// computed with all their views at once: more images in a pass take less time each, and no bit depends on it.
    fn compute_batch(
        &self,
        inference: &Inference<'_>,
        assembler: &BatchAssembler,
        request: &BatchRequest,
        raw: &mut Raw,
    ) -> Result<(), PredictError> {
        let rows = request.samples.len();
        let (mut sums, mut unlike) = (Vec::new(), vec![0.0_f64; rows]);
        let at_once = (self.batch_size / rows.max(1)).clamp(1, self.views.len().max(1));
        for views in self.views.chunks(at_once) {
            let pixels = views_of(assembler, request, views)?;
            let Seen { probabilities, unlike: scores, features } =
                self.forward(inference, &pixels, rows * views.len())?;
            let width = probabilities.len() / (rows * views.len()).max(1);
            sums.resize(rows * width, 0.0_f64);
            for (probabilities, scores) in probabilities.chunks(sums.len().max(1)).zip(scores.chunks(rows.max(1))) {
                sums.iter_mut().zip(probabilities).for_each(|(sum, &value)| *sum += f64::from(value));
                unlike.iter_mut().zip(scores).for_each(|(sum, &value)| *sum += f64::from(value));
            }
            raw.features.extend(features);
        }
        let count = self.views.len() as f64;
        raw.probabilities.extend(sums.iter().map(|sum| (sum / count) as f32));
        raw.unlike.extend(unlike.iter().map(|sum| (sum / count) as f32));
        Ok(())
    }
}

/// The images of a batch, in one view after another.
fn views_of(
    assembler: &BatchAssembler,
    request: &BatchRequest,
    views: &[TestTimeView],
) -> Result<Vec<f32>, PredictError> {
    let (mut all, mut pixels) = (Vec::new(), Vec::new());
    for &view in views {
        let failed = |error| PredictError::Train(medley_train::TrainError::Augment(error));
        match view {
            TestTimeView::Identity => assembler.assemble(request, false, &mut pixels),
            view => assembler.assemble_view(request, view, &mut pixels).map_err(failed)?,
        }
        if views.len() == 1 {
            return Ok(pixels);
        }
        all.extend_from_slice(&pixels);
    }
    Ok(all)
}

/// Of one view of a batch: as [`Raw`].
struct Seen {
    probabilities: Vec<f32>,
    unlike: Vec<f32>,
    features: Vec<f32>,
}

impl Network {
    /// Probabilities are computed as the run computes them.
    fn forward(&self, inference: &Inference<'_>, pixels: &[f32], rows: usize) -> Result<Seen, ModelError> {
        let _guard = tch::no_grad_guard();
        let ImageShape { depth, height, width, .. } = self.shape;
        let [count, height, width] = [rows, height, width].map(|side| side as i64);
        let channels = INPUT_CHANNELS as i64;
        let images = match depth {
            Some(depth) => volume_batch(pixels, count, depth as i64, height, width, channels)?,
            None => image_batch(pixels, count, height, width, channels)?,
        };
        let segment = Segment { task: self.task, start: 0, len: count };
        let (logits, features) = self.pass(inference, &images.f_to_device(self.device)?, segment)?;
        let exclusive = self.kind != TaskKind::MultiLabel;
        let unlike = match &self.gaussian {
            Some(gaussian) if features.len() == rows * gaussian.width() => gaussian.distances(&features),
            Some(gaussian) => {
                let actual = format!("{} for {rows} images", features.len());
                let expected = format!("{} for each", gaussian.width());
                return Err(ModelError::Input { what: "features that images are compared by are", actual, expected });
            }
            None if exclusive => numbers(&logits.f_logsumexp([-1_i64].as_slice(), false)?.f_neg()?)?,
            // The softplus of each label.
            None => {
                let sums = logits.f_softplus()?.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float)?;
                numbers(&sums.f_neg()?)?
            }
        };
        let features = if self.keep_features { features } else { Vec::new() };
        Ok(Seen { probabilities: numbers(&probabilities(exclusive, &logits)?)?, unlike, features })
    }

    /// Logits `[rows, C]`, and features where they are needed. Replicas compute no features: these take a pass of their own then.
    fn pass(
        &self,
        inference: &Inference<'_>,
        images: &Tensor,
        segment: Segment,
    ) -> Result<(Tensor, Vec<f32>), ModelError> {
        if self.gaussian.is_none() && !self.keep_features {
            return Ok((inference.forward(images, &[segment])?.swap_remove(0), Vec::new()));
        }
        let (mut logits, levels) = inference.forward_with_levels(images, &[segment])?;
        if self.replicas > 1 {
            logits = inference.forward(images, &[segment])?;
        }
        Ok((logits.swap_remove(0), levels.map_or_else(|| Ok(Vec::new()), |levels| numbers(&levels))?))
    }
}

pub(crate) fn load(net: &MultiTaskNet, bytes: &[u8]) -> Result<(), ModelError> {
    let state: Vec<_> = net.parameters().into_iter().chain(net.buffers()).collect();
    weights::load_into(bytes, &state).map(drop)
}

fn normalisation(model: &Model) -> Normalisation {
    let statistics = model.normalisation();
    Normalisation { mean: statistics.mean.clone(), std: statistics.std.clone() }
}

/// The network that a package describes, with fresh parameters.
pub(crate) fn described(package: &Package, plan: Option<ComputePlan>) -> Result<MultiTaskNet, ModelError> {
    let bad = |problem: String| ModelError::Config { key: "net".into(), value: "not a network".into(), problem };
    let config = net_config(package.net()).map_err(bad)?.validated()?;
    let tasks: Vec<_> = package.models().iter().map(|model| model.task().clone()).collect();
    let first = &package.models()[0];
    let (input_channels, input_size) = (INPUT_CHANNELS as i64, first.input().height as i64);
    let edge = |shape: ImageShape| (shape.depth, shape.height);
    if let Some(other) = package.models().iter().find(|model| edge(model.input()) != edge(first.input())) {
        let problem = format!("its images are {}, and those of other tasks {}", other.input(), first.input());
        return Err(ModelError::Task { task: other.task().name.clone(), problem });
    }
    let Some(plan) = plan else {
        let options = BuildOptions { input_channels, input_size, ..BuildOptions::default() };
        return MultiTaskNet::outline(&config, &tasks, &options);
    };
    MultiTaskNet::build(&config, &tasks, &BuildOptions { plan, seed: 0, input_channels, input_size })
}

#[cfg(test)]
mod tests {
    use medley_models::{Convolutions, MemoryLayout};

    use super::*;

    fn trained(device: &str, precision: Precision) -> Compute {
        Compute {
            libtorch: "2.11.0".into(),
            device: device.into(),
            precision,
            memory_layout: MemoryLayout::ChannelsLast,
            convolutions: Convolutions::Winograd,
            threads: 2,
            replicas: 1,
            batch_size: 512,
        }
    }

    #[test]
    fn bfloat16_is_kept_where_the_processor_has_it() {
        let plan = |fast, precision| ComputeOptions::default().plan_on(Device::Cpu, fast, &trained("cpu", precision));
        assert_eq!(plan(true, Precision::Bf16).precision, Precision::Bf16);
        assert_eq!(plan(false, Precision::Bf16).precision, Precision::Fp32);
        assert_eq!(plan(true, Precision::Fp32).precision, Precision::Fp32);
        let emulated = plan(false, Precision::Bf16);
        assert_eq!((emulated.memory_layout, emulated.threads), (MemoryLayout::ChannelsLast, 2), "the rest stays");
    }

    #[test]
    fn another_device_computes_by_its_own_plan() {
        let plan = ComputeOptions::default().plan_on(Device::Cpu, true, &trained("cuda:0", Precision::Bf16));
        let own = ComputePlan::default();
        assert_eq!((plan.precision, plan.memory_layout), (own.precision, own.memory_layout));
    }
}
