//! A network as an ONNX model: one file that onnxruntime, `TensorRT`, `OpenVINO`, a browser or a phone runs, without libtorch and
//! without this program.
//!
//! The graph is written by the layers themselves, in the forward pass that also computes (see [`Activation`](crate::Activation)).
//! `BatchNorm` is folded into the convolutions before it. What a task has of its own (norms, adapters, embeddings) is part of the
//! numbers, so that the graph of one task is a plain network; of several tasks in one graph, layers that they share are there once.
//!
//! ```
//! use medley_core::record::ChannelStatistics;
//! use medley_models::onnx::{Answer, Export, Pixels, TaskExport, export};
//! use medley_models::{BuildOptions, MultiTaskNet, NetConfig, conformance};
//! use medley_onnx::{Information, proto::ModelProto};
//!
//! let tasks = [conformance::task("pathmnist", 9), conformance::task("breastmnist", 2)];
//! let net = MultiTaskNet::build(&NetConfig::default().validated()?, &tasks, &BuildOptions::default())?;
//! let grey = ChannelStatistics { mean: vec![0.5], std: vec![0.25] };
//! let task = TaskExport { normalisation: Some(grey), ..TaskExport::new(1, Answer::Softmax) };
//! let wanted = Export { tasks: vec![task], pixels: Pixels::Bytes, channels: 1, ..Export::default() };
//!
//! let model = ModelProto::read(&export(&net, &wanted, &Information::default())?)?;
//! assert_eq!(model.graph().output[0].name(), "breastmnist_probabilities");
//! # Ok::<(), medley_models::ModelError>(())
//! ```

mod known;

pub use known::{known_answers, known_image, known_image_rule};

use medley_core::TaskKind;
use medley_core::record::ChannelStatistics;
use medley_onnx::{Constant, DataType, Dim, GraphBuilder, Information, OnnxError, Value};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind};

use crate::context::Rows;
use crate::trace::GraphTrace;
use crate::{Context, ModelError, MultiTaskNet, Segment};

/// Name of the input of every model.
pub const INPUT: &str = "images";

/// What the model is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pixels {
    /// Bytes, 0 to 255, as they are in a picture: `uint8`.
    #[default]
    Bytes,
    /// Bytes divided by 255: `float32`, as `torchvision.transforms.ToTensor` gives.
    Unit,
    /// What the network saw in training, already normalised: `float32`.
    Normalised,
}

impl Pixels {
    /// Its name in options and metadata.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Unit => "unit",
            Self::Normalised => "normalised",
        }
    }
}

/// What the model answers for a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The last layer as it is.
    Logits,
    /// Probabilities of classes, which add up to 1.
    Softmax,
    /// A probability for each label.
    Sigmoid,
}

impl Answer {
    /// Probabilities of a kind of task.
    pub fn probabilities(kind: TaskKind) -> Self {
        match kind {
            TaskKind::MultiLabel => Self::Sigmoid,
            TaskKind::Binary | TaskKind::MultiClass | TaskKind::Ordinal => Self::Softmax,
        }
    }

    /// What the output is called after the task's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logits => "logits",
            Self::Softmax | Self::Sigmoid => "probabilities",
        }
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskExport {
    /// Its task, by index. The output is called `TASK_logits` or `TASK_probabilities`.
    pub task: usize,
    /// What it is.
    pub answer: Answer,
    /// What pixels of the task are normalised by; needed unless they are normalised already. One channel stands for all.
    pub normalisation: Option<ChannelStatistics>,
}

impl TaskExport {
    /// Of a task whose pixels are normalised already.
    pub fn new(task: usize, answer: Answer) -> Self {
        Self { task, answer, normalisation: None }
    }
}

/// What a model is to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// Its outputs, in order. Tasks with different normalisations share no layer: the network sees other numbers for each.
    pub tasks: Vec<TaskExport>,
    /// Its input `images`: `[N, C, H, W]`, or `[N, C, D, H, W]` for volumes, of the network's image size.
    pub pixels: Pixels,
    /// Channels of its input: those of the network, or 1 for grey pictures, which are replicated.
    pub channels: i64,
    /// Whether trunks compute with 16-bit floats. Normalisation, resizing and heads stay at 32, and so do input and output.
    pub half: bool,
    /// The number of images in a batch; left out, any.
    pub batch: Option<usize>,
}

impl Default for Export {
    /// No task yet; three channels of bytes, in batches of any size, 32-bit floats.
    fn default() -> Self {
        Self { tasks: Vec::new(), pixels: Pixels::default(), channels: 3, half: false, batch: None }
    }
}

/// The bytes of an ONNX model, a function of the network's state and what is wanted.
///
/// # Errors
/// [`ModelError::Input`] for no task, one that the network does not have, and channels or a normalisation that do not fit;
/// [`ModelError::Unsavable`] for weights that are not finite, or not in 16 bits; [`ModelError::Onnx`] above 2 GB;
/// [`ModelError::Torch`] when memory runs out.
pub fn export(net: &MultiTaskNet, wanted: &Export, information: &Information) -> Result<Vec<u8>, ModelError> {
    let _guard = tch::no_grad_guard();
    check(net, wanted)?;
    let mut graph = GraphBuilder::new(&net.config().config().backbone.name);
    let images = input(&mut graph, net, wanted)?;
    let trace = GraphTrace::new(graph, net.store(), net.task_names());
    for output in &wanted.tasks {
        let &TaskExport { task, answer, .. } = output;
        let seen = trace.with(|graph| prepare(graph, &images, net, wanted, output))?;
        let rows = Rows::new(&[Segment { task, start: 0, len: 1 }], vec![0], Device::Cpu)?;
        let context = Context::new(false, Kind::Float, &rows, 0);
        let features = net.trunk().forward(&trace.activation(seen), &context)?.to_float()?;
        let logits = net.head(task).forward(&features, &context)?.into_value()?;
        let name = &net.task_names()[task];
        trace.with(|graph| {
            let value = match answer {
                Answer::Logits => logits,
                Answer::Softmax => graph.softmax(&logits)?,
                Answer::Sigmoid => graph.sigmoid(&logits)?,
            };
            graph.output(&value, &format!("{name}_{}", answer.name()), &format!("{} of {name}", answer.name()))
        })?;
    }
    let graph = trace.into_graph().ok_or(OnnxError::NoOutput)?;
    Ok(graph.into_bytes(information)?)
}

fn check(net: &MultiTaskNet, wanted: &Export) -> Result<(), ModelError> {
    let wrong = |what, actual: String, expected: String| Err(ModelError::Input { what, actual, expected });
    let channels = net.options().input_channels;
    if wanted.tasks.is_empty() {
        return wrong("the number of tasks to export is", "0".into(), "at least 1".into());
    }
    if wanted.channels != channels && wanted.channels != 1 {
        return wrong("images to export for have channels:", wanted.channels.to_string(), format!("1 or {channels}"));
    }
    for output in &wanted.tasks {
        if output.task >= net.task_count() {
            let expected = format!("below the number of tasks, {}", net.task_count());
            return wrong("a task to export is", output.task.to_string(), expected);
        }
        if wanted.pixels == Pixels::Normalised {
            continue;
        }
        let Some(ChannelStatistics { mean, std }) = &output.normalisation else {
            let expected = "a mean and a deviation per channel, or pixels that are normalised already";
            return wrong("the normalisation of a task is", "not given".into(), expected.into());
        };
        let fits =
            [mean.len(), std.len()].iter().all(|&len| len == 1 || (len as i64 == channels && wanted.channels != 1));
        let sound =
            mean.iter().all(|mean| mean.is_finite()) && std.iter().all(|std| *std > 0.0 && std.recip().is_normal());
        if !fits || !sound || mean.len() != std.len() {
            let expected = format!("finite, positive deviations, of 1 or {} channels", wanted.channels);
            return wrong("the normalisation of a task is", format!("{mean:?}, {std:?}"), expected);
        }
    }
    Ok(())
}

fn input(graph: &mut GraphBuilder, net: &MultiTaskNet, wanted: &Export) -> Result<Value, ModelError> {
    let (dtype, range) = match wanted.pixels {
        Pixels::Bytes => (DataType::Uint8, "0 to 255"),
        Pixels::Unit => (DataType::Float, "0 to 1"),
        Pixels::Normalised => (DataType::Float, "normalised"),
    };
    let axes = net.axes();
    let mut shape = vec![wanted.batch.map_or(Dim::Batch, Dim::Fixed), Dim::Fixed(wanted.channels as usize)];
    shape.extend(vec![Dim::Fixed(net.options().input_size as usize); axes]);
    let order = if axes == 2 { "images, channels, height, width" } else { "volumes, channels, depth, height, width" };
    Ok(graph.input(INPUT, dtype, &shape, &format!("{order}; {range}"))?)
}

/// From the input to what the trunk sees: normalised, grey replicated, resized, in its type.
fn prepare(
    graph: &mut GraphBuilder,
    images: &Value,
    net: &MultiTaskNet,
    wanted: &Export,
    output: &TaskExport,
) -> Result<Value, OnnxError> {
    let channels = net.options().input_channels as usize;
    let mut x = graph.cast(images, DataType::Float)?;
    if let (Some(ChannelStatistics { mean, std }), true) = (&output.normalisation, wanted.pixels != Pixels::Normalised)
    {
        // As training computes it; a column of channels also replicates grey.
        let largest = if wanted.pixels == Pixels::Bytes { 255.0 } else { 1.0 };
        let mut shape = vec![1; 1 + net.axes()];
        shape[0] = channels;
        let mut column = |part: &str, value: &dyn Fn(f32, f32) -> f32| {
            let of = |channel: usize| value(mean[channel % mean.len()], std[channel % std.len()].recip());
            let values: Vec<f32> = (0..channels).map(of).collect();
            let several = wanted.tasks.len() > 1;
            let task = if several { format!("{}.", net.task_names()[output.task]) } else { String::new() };
            graph.constant(&format!("normalisation.{task}{part}"), Constant::f32(&shape, &values)?)
        };
        let scale = column("scale", &|_, scale| scale / largest)?;
        let bias = column("bias", &|mean, scale| -mean * scale)?;
        let scaled = graph.mul(&x, &scale)?;
        x = graph.add(&scaled, &bias)?;
    } else if wanted.channels as usize != channels {
        let mut sides = vec![1; 2 + net.axes()];
        sides[1] = channels;
        x = graph.expand(&x, &sides)?;
    }
    if net.input_size() != net.options().input_size {
        x = graph.resize(&x, &vec![net.input_size() as usize; net.axes()])?;
    }
    graph.cast(&x, if wanted.half { DataType::Float16 } else { DataType::Float })
}
