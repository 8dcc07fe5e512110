//! A network that computes as its run did.

use std::sync::Arc;

use medley_augment::{
    AssemblerOptions, BatchAssembler, BatchRequest, Normalisation, PolicyConfig, SampleRef, TaskSource, TestTimeView,
};
use medley_core::{ImageShape, Images, TaskKind};
use medley_models::{
    BuildOptions, ComputePlan, Inference, ModelError, MultiTaskNet, NetConfig, Segment, device, environment,
    image_batch, volume_batch, weights,
};
use medley_package::{Compute, Model, Package};
use medley_train::components::losses::probabilities;
use medley_train::data::INPUT_CHANNELS;
use tch::{Device, Kind, Tensor};

use crate::PredictError;

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
    /// The plan for a network whose run computed so.
    fn plan(self, compute: &Compute) -> ComputePlan {
        let device = self.device.unwrap_or(Device::Cpu);
        if device::name(device) != compute.device {
            // What was fast there need not be here, and its bits cannot be had.
            let threads = self.threads.unwrap_or(compute.threads.max(compute.replicas));
            return ComputePlan { device, threads, ..ComputePlan::default() };
        }
        let Compute { precision, memory_layout, convolutions, .. } = *compute;
        let (threads, replicas) = match self.threads {
            None => (compute.threads, compute.replicas),
            Some(threads) => (threads, 1),
        };
        ComputePlan { device, precision, memory_layout, convolutions, threads, replicas }
    }
}

/// What a network answers: probabilities `[N, C]` before any temperature, and energies `[N]`.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    pub(crate) probabilities: Vec<f32>,
    pub(crate) energies: Vec<f32>,
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
}

/// What [`Network::build`] needs; it may be sent to the thread that computes.
pub(crate) struct Blueprint {
    pub(crate) package: Package,
    pub(crate) weights: Arc<Vec<u8>>,
    pub(crate) task: usize,
    pub(crate) options: ComputeOptions,
}

/// The `[net]` table, checked.
pub(crate) fn net_config(table: &toml::Table) -> Result<NetConfig, String> {
    toml::Value::Table(table.clone()).try_into().map_err(|error: toml::de::Error| error.to_string())
}

impl Network {
    pub(crate) fn build(blueprint: &Blueprint) -> Result<Self, PredictError> {
        let Blueprint { package, weights, task, options } = blueprint;
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

    /// The mean of the probabilities over all views, as the run averages them. Small batches are computed with all their views at
    /// once: more images in a pass take less time each, and no bit depends on it.
    fn compute_batch(
        &self,
        inference: &Inference<'_>,
        assembler: &BatchAssembler,
        request: &BatchRequest,
        raw: &mut Raw,
    ) -> Result<(), PredictError> {
        let rows = request.samples.len();
        let (mut sums, mut energies) = (Vec::new(), vec![0.0_f64; rows]);
        let at_once = (self.batch_size / rows.max(1)).clamp(1, self.views.len().max(1));
        for views in self.views.chunks(at_once) {
            let pixels = views_of(assembler, request, views)?;
            let (probabilities, energy) = self.forward(inference, &pixels, rows * views.len())?;
            let width = probabilities.len() / (rows * views.len()).max(1);
            sums.resize(rows * width, 0.0_f64);
            for (probabilities, energy) in probabilities.chunks(sums.len().max(1)).zip(energy.chunks(rows.max(1))) {
                sums.iter_mut().zip(probabilities).for_each(|(sum, &value)| *sum += f64::from(value));
                energies.iter_mut().zip(energy).for_each(|(sum, &value)| *sum += f64::from(value));
            }
        }
        let count = self.views.len() as f64;
        raw.probabilities.extend(sums.iter().map(|sum| (sum / count) as f32));
        raw.energies.extend(energies.iter().map(|sum| (sum / count) as f32));
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

impl Network {
    /// Probabilities `[rows, C]`, computed as the run computes them, and energies `[rows]`.
    fn forward(
        &self,
        inference: &Inference<'_>,
        pixels: &[f32],
        rows: usize,
    ) -> Result<(Vec<f32>, Vec<f32>), ModelError> {
        let _guard = tch::no_grad_guard();
        let ImageShape { depth, height, width, .. } = self.shape;
        let [count, height, width] = [rows, height, width].map(|side| side as i64);
        let channels = INPUT_CHANNELS as i64;
        let images = match depth {
            Some(depth) => volume_batch(pixels, count, depth as i64, height, width, channels)?,
            None => image_batch(pixels, count, height, width, channels)?,
        };
        let segment = Segment { task: self.task, start: 0, len: count };
        let logits = inference.forward(&images.f_to_device(self.device)?, &[segment])?;
        let exclusive = self.kind != TaskKind::MultiLabel;
        let energies = if exclusive {
            logits[0].f_logsumexp([-1_i64].as_slice(), false)?.f_neg()?
        } else {
            // The softplus of each label.
            logits[0].f_softplus()?.f_sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float)?.f_neg()?
        };
        Ok((numbers(&probabilities(exclusive, &logits[0])?)?, numbers(&energies)?))
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    let flat = tensor.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_reshape([-1])?;
    Ok(Vec::try_from(flat)?)
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
