//! How much memory training takes, estimated before it begins.
//!
//! An estimate is arithmetic on counts of values: [`Footprint`] in, [`MemoryEstimate`] out. Where the counts come from (an outline
//! of the network, whose values take no memory) and what the machine has free is looked at elsewhere. What passes while training
//! (a batch, validation, a checkpoint) never comes together, so the largest of them counts.

use std::fmt;

use medley_data::memory::AvailableMemory;
use medley_models::{ComputePlan, Precision};

use crate::TrainError;
use crate::components::optimizers;
use crate::config::Experiment;
use crate::config::schema::OnNan;
use crate::data::{LearningData, SplitSources};
use crate::distill::Teachers;
use crate::engine::{outline, predict_batch_size};

/// Bytes of an fp32 value.
const FP32: u64 = 4;

/// Activations of the largest size that are there at once beside those that are kept: an input, an output, and what a
/// convolution lays out anew.
const IN_PASSING: u64 = 3;

/// What libtorch keeps of its own once it has computed: compiled kernels, thread pools, the heap's gaps.
const LIBTORCH: u64 = 150_000_000;

/// Counts that memory follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footprint {
    /// Values of all parameters.
    pub parameters: u64,
    /// Of those, values that are trained.
    pub trained: u64,
    /// Values of running statistics.
    pub buffers: u64,
    /// Numbers that the optimizer keeps beside each parameter.
    pub optimizer_states: u64,
    /// Whether there is a moving average of the network.
    pub averaged: bool,
    /// Whether a copy of network, optimizer and average is kept to roll back to.
    pub rolls_back: bool,
    /// Values of the networks that teach.
    pub teachers: u64,
    /// Values that training keeps of an image for the backward pass.
    pub kept_activations: u64,
    /// Values of the largest activation of an image.
    pub largest_activation: u64,
    /// Values of an image as it is read.
    pub image: u64,
    /// Values of an image as the trunk sees it.
    pub input: u64,
    /// Images per step.
    pub batch_size: u64,
    /// Images at once in prediction.
    pub predict_batch_size: u64,
    /// Batches prepared ahead of time.
    pub prefetch: u64,
    /// Bytes of the decoded images of all splits, which are in memory or mapped before training begins.
    pub data: u64,
    /// Bytes of a value of an activation.
    pub activation_bytes: u64,
    /// Copies of the trunk.
    pub replicas: u64,
    /// Whether the network computes in the memory of the machine, not in that of a GPU.
    pub on_cpu: bool,
}

impl Footprint {
    /// That of an experiment on its data, with a plan that was chosen or might be.
    ///
    /// # Errors
    /// When the network cannot be built.
    pub fn of(experiment: &Experiment, data: &LearningData, plan: &ComputePlan) -> Result<Self, TrainError> {
        let net = outline(experiment, &data.tasks)?;
        let count = |tensors: &[(String, tch::Tensor)]| tensors.iter().map(|(_, tensor)| tensor.numel() as u64).sum();
        let assigned = optimizers::assign(&experiment.optimizer, &net.parameters());
        let assigned = assigned.map_err(|error| experiment.refuse(&error.key, error.problem))?;
        let trained = assigned.iter().filter(|one| !one.frozen).map(|one| one.tensor.numel() as u64).sum();
        let work = net.work()?;
        let images = [&data.train, &data.val];
        Ok(Self {
            parameters: count(&net.parameters()),
            trained,
            buffers: count(&net.buffers()),
            optimizer_states: experiment.optimizer.states() as u64,
            averaged: experiment.average.choice.is_kept(),
            rolls_back: experiment.train.on_nan == OnNan::RollBack,
            teachers: 0,
            kept_activations: work.kept_activations,
            largest_activation: work.largest_activation,
            image: data.train.image_values() as u64,
            input: net.input_values() as u64,
            batch_size: experiment.train.batch_size as u64,
            predict_batch_size: predict_batch_size(experiment, net.input_values()) as u64,
            prefetch: experiment.augment.prefetch as u64,
            data: images.into_iter().map(SplitSources::bytes).sum(),
            activation_bytes: activation_bytes(plan),
            replicas: plan.replicas as u64,
            on_cpu: plan.device == tch::Device::Cpu,
        })
    }

    /// The same with networks that teach, and the images that they see in place of the student's.
    #[must_use]
    pub(crate) fn with_teachers(self, teachers: &Teachers) -> Self {
        Self { teachers: teachers.values(), data: self.data + teachers.image_bytes(), ..self }
    }

    /// The same with another plan.
    #[must_use]
    pub fn with_plan(self, plan: &ComputePlan) -> Self {
        Self { activation_bytes: activation_bytes(plan), replicas: plan.replicas as u64, ..self }
    }
}

fn activation_bytes(plan: &ComputePlan) -> u64 {
    if plan.precision == Precision::Bf16 { 2 } else { FP32 }
}

/// What the memory of a part is spent on, and so what would make it smaller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Parameters, gradients, optimizer, moving average, checkpoints.
    Network,
    /// A batch in training.
    Batch,
    /// A batch in prediction.
    Prediction,
    /// Batches ahead of time.
    Ahead,
    /// Of libtorch itself.
    Library,
}

/// A part of the memory that training takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPart {
    /// In words.
    pub what: String,
    /// Its size.
    pub bytes: u64,
    /// What for.
    pub purpose: Purpose,
}

/// The memory that training takes beside that of its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// What is there at its peak.
    pub parts: Vec<MemoryPart>,
    /// Of the data, which is in memory already, or mapped from a file.
    pub data: u64,
}

impl MemoryEstimate {
    /// Of a run with these counts.
    pub fn of(footprint: &Footprint) -> Self {
        let moments = [training(footprint), prediction(footprint), checkpoint(footprint)];
        let peak = moments.into_iter().max_by_key(|parts| parts.iter().map(|part| part.bytes).sum::<u64>());
        let parts = lasting(footprint).into_iter().chain(peak.into_iter().flatten());
        Self { parts: parts.filter(|part| part.bytes > 0).collect(), data: footprint.data }
    }

    /// Bytes.
    pub fn total(&self) -> u64 {
        self.parts.iter().map(|part| part.bytes).sum()
    }

    /// Refuses a run that takes more than there is.
    ///
    /// # Errors
    /// [`MemoryError`].
    pub fn check(&self, available: &AvailableMemory) -> Result<(), MemoryError> {
        if self.total() <= available.bytes {
            return Ok(());
        }
        Err(MemoryError { estimate: self.clone(), available: *available })
    }

    /// What would take less, for what takes most.
    fn advice(&self) -> &'static str {
        let of =
            |purpose| -> u64 { self.parts.iter().filter(|part| part.purpose == purpose).map(|part| part.bytes).sum() };
        let purposes = [Purpose::Network, Purpose::Batch, Purpose::Prediction, Purpose::Ahead];
        match purposes.into_iter().max_by_key(|&purpose| of(purpose)) {
            Some(Purpose::Batch) => "a smaller `train.batch_size` or `net.backbone.width` takes less",
            Some(Purpose::Prediction) => "a smaller `train.predict_batch_size` takes less",
            Some(Purpose::Ahead) => "a smaller `augment.prefetch` or `train.batch_size` takes less",
            _ => {
                "a smaller `net.backbone.width` or another backbone takes less, and so do `train.replicas = 1`, \
                 `average.name = \"none\"` and `optimizer.name = \"sgd\"`"
            }
        }
    }
}

/// What is there from the first step to the last.
fn lasting(footprint: &Footprint) -> Vec<MemoryPart> {
    let Footprint {
        parameters,
        trained,
        buffers,
        optimizer_states,
        averaged,
        rolls_back,
        teachers,
        replicas,
        on_cpu,
        ..
    } = *footprint;
    let part = |what: &str, values: u64| MemoryPart {
        what: what.to_owned(),
        bytes: if on_cpu { FP32 * values } else { 0 },
        purpose: Purpose::Network,
    };
    vec![
        part("parameters", parameters + buffers),
        part("gradients", trained * replicas),
        part("optimizer", optimizer_states * parameters),
        part("moving average", if averaged { parameters + buffers } else { buffers }),
        part(
            "copy to roll back to",
            if rolls_back { (parameters + buffers) * 2 + optimizer_states * parameters } else { 0 },
        ),
        part("teachers", teachers),
        MemoryPart { what: "libtorch".to_owned(), bytes: LIBTORCH, purpose: Purpose::Library },
    ]
}

fn training(footprint: &Footprint) -> Vec<MemoryPart> {
    let Footprint { kept_activations, largest_activation, batch_size, activation_bytes, .. } = *footprint;
    let activations = batch_size * activation_bytes * (kept_activations + IN_PASSING * largest_activation);
    vec![
        on_device(footprint, format!("activations of {batch_size} images"), activations, batch_size, Purpose::Batch),
        ahead(footprint, batch_size),
    ]
}

fn prediction(footprint: &Footprint) -> Vec<MemoryPart> {
    let Footprint { largest_activation, predict_batch_size: images, activation_bytes, .. } = *footprint;
    let activations = images * activation_bytes * IN_PASSING * largest_activation;
    vec![
        on_device(footprint, format!("prediction of {images} images"), activations, images, Purpose::Prediction),
        ahead(footprint, images),
    ]
}

/// Activations, the images as the trunk takes them, and the weights as products take them: cast, or folded with norms.
fn on_device(footprint: &Footprint, what: String, activations: u64, images: u64, purpose: Purpose) -> MemoryPart {
    let Footprint { parameters, input, activation_bytes, replicas, on_cpu, .. } = *footprint;
    let weights = if purpose == Purpose::Prediction || activation_bytes < FP32 {
        parameters * activation_bytes * replicas
    } else {
        0
    };
    let pixels = images * input * (FP32 + activation_bytes);
    MemoryPart { what, bytes: if on_cpu { activations + weights + pixels } else { 0 }, purpose }
}

/// Buffers that are filled ahead of time, and the one in use.
fn ahead(footprint: &Footprint, images: u64) -> MemoryPart {
    let bytes = (footprint.prefetch + 1) * images * footprint.image * FP32;
    MemoryPart { what: "batches ahead".to_owned(), bytes, purpose: Purpose::Ahead }
}

/// The largest file of a checkpoint, which are written one after another; when it is read, its tensors beside it.
fn checkpoint(footprint: &Footprint) -> Vec<MemoryPart> {
    let Footprint { parameters, buffers, optimizer_states, .. } = *footprint;
    let largest = (parameters + buffers).max(optimizer_states * parameters);
    vec![MemoryPart { what: "a checkpoint".to_owned(), bytes: 2 * FP32 * largest, purpose: Purpose::Network }]
}

/// Training would take more memory than there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryError {
    /// What it would take.
    pub estimate: MemoryEstimate,
    /// What there is.
    pub available: AvailableMemory,
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { estimate, available } = self;
        let parts = estimate.parts.iter().map(|part| format!("{} {}", part.what, size(part.bytes)));
        write!(
            f,
            "training would take about {} of memory, and {} is free {}: {}; the data has {} already. {}; \
             `--allow-memory` trains all the same",
            size(estimate.total()),
            size(available.bytes),
            available.limit,
            parts.collect::<Vec<_>>().join(", "),
            size(estimate.data),
            capitalised(estimate.advice()),
        )
    }
}

impl std::error::Error for MemoryError {}

fn capitalised(text: &str) -> String {
    text.chars().take(1).flat_map(char::to_uppercase).chain(text.chars().skip(1)).collect()
}

/// Megabytes below a gigabyte.
fn size(bytes: u64) -> String {
    if bytes < 1_000_000_000 {
        format!("{} MB", bytes.div_ceil(1_000_000))
    } else {
        format!("{:.1} GB", bytes as f64 / 1e9)
    }
}

#[cfg(test)]
mod tests {
    use medley_data::memory::MemoryLimit;

    use super::*;

    /// A million parameters, a thousand values of activations an image.
    const SMALL: Footprint = Footprint {
        parameters: 1_000_000,
        trained: 1_000_000,
        buffers: 1_000,
        optimizer_states: 2,
        averaged: true,
        rolls_back: false,
        teachers: 0,
        kept_activations: 20_000,
        largest_activation: 5_000,
        image: 2_352,
        input: 2_352,
        batch_size: 128,
        predict_batch_size: 512,
        prefetch: 4,
        data: 5_000_000,
        activation_bytes: FP32,
        replicas: 1,
        on_cpu: true,
    };

    fn bytes(footprint: &Footprint, what: &str) -> u64 {
        let estimate = MemoryEstimate::of(footprint);
        estimate.parts.iter().filter(|part| part.what == what).map(|part| part.bytes).sum()
    }

    #[test]
    fn parts_follow_from_counts() {
        assert_eq!(bytes(&SMALL, "parameters"), 4_004_000);
        assert_eq!(bytes(&SMALL, "gradients"), 4_000_000);
        assert_eq!(bytes(&SMALL, "optimizer"), 8_000_000);
        assert_eq!(bytes(&SMALL, "moving average"), 4_004_000);
        // Writing 8 MB and reading them back is less than predicting here.
        assert_eq!(bytes(&SMALL, "a checkpoint"), 0);
        assert_eq!(bytes(&SMALL, "prediction of 512 images"), 512 * 4 * 15_000 + 4_000_000 + 512 * 2_352 * 8,);
        assert_eq!(bytes(&SMALL, "batches ahead"), 5 * 512 * 2_352 * 4);
        let larger = Footprint { batch_size: 4_096, ..SMALL };
        assert_eq!(bytes(&larger, "activations of 4096 images"), 4_096 * (4 * 35_000 + 2_352 * 8));
        let wide = Footprint { parameters: 100_000_000, trained: 50_000_000, replicas: 2, ..SMALL };
        assert_eq!((bytes(&wide, "gradients"), bytes(&wide, "a checkpoint")), (400_000_000, 2 * 4 * 200_000_000));
    }

    #[test]
    fn what_is_not_there_is_not_counted() {
        let plain = Footprint { averaged: false, optimizer_states: 1, ..SMALL };
        assert_eq!(bytes(&plain, "moving average"), 4_000, "a copy of the statistics");
        assert_eq!(bytes(&plain, "optimizer"), 4_000_000);
        let gpu = MemoryEstimate::of(&Footprint { on_cpu: false, prefetch: 1, ..SMALL });
        let parts: Vec<&str> = gpu.parts.iter().map(|part| part.what.as_str()).collect();
        assert_eq!(parts, ["libtorch", "a checkpoint"], "the network is on the GPU");
    }

    #[test]
    fn a_refusal_has_the_numbers_and_says_what_to_change() {
        let available = |bytes| AvailableMemory { bytes, limit: MemoryLimit::AddressSpace };
        let message = |footprint: &Footprint| {
            MemoryEstimate::of(footprint).check(&available(100_000_000)).unwrap_err().to_string()
        };
        let text = message(&SMALL);
        assert!(
            text.starts_with("training would take about 239 MB of memory, and 100 MB is free in the address"),
            "{text}"
        );
        assert!(text.contains("optimizer 8 MB") && text.contains("predict_batch_size"), "{text}");
        assert!(message(&Footprint { batch_size: 10_000, ..SMALL }).contains("smaller `train.batch_size`"));
        assert!(message(&Footprint { prefetch: 1_000, ..SMALL }).contains("smaller `augment.prefetch`"));
        let wide = message(&Footprint { parameters: 1_000_000_000, ..SMALL });
        assert!(wide.contains("smaller `net.backbone.width`") && wide.contains("optimizer 8.0 GB"), "{wide}");
        assert_eq!(MemoryEstimate::of(&SMALL).check(&available(10_000_000_000)), Ok(()));
    }
}
