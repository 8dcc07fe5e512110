//! One trunk, many tasks.

use std::collections::BTreeMap;
use std::fmt;

use medley_core::TaskSpec;
use tch::{Device, Kind, Tensor};

use crate::backbones::Backbone;
use crate::config::{NetConfig, ValidatedNet};
use crate::layers::Linear;
use crate::options::{BuildOptions, Context, Segment};
use crate::scope::{Scope, Store, in_layout};
use crate::{ModelError, environment};

/// A shared backbone with one linear head per task (or per group of tasks that share one).
///
/// Parameters of the trunk are called `backbone.` and their name in torchvision, those of a head `heads.NAME.weight` and
/// `heads.NAME.bias`.
pub struct MultiTaskNet {
    backbone: Box<dyn Backbone>,
    heads: Vec<Linear>,
    /// The head of each task.
    head_of: Vec<usize>,
    dropout: f64,
    options: BuildOptions,
    tensors: Store,
}

impl MultiTaskNet {
    /// Builds a network with fresh parameters. The seed and a parameter's name alone decide its initial bits.
    ///
    /// # Errors
    /// What [`NetConfig::validated`] finds; [`ModelError::Task`] for tasks that cannot be served together;
    /// [`ModelError::Config`] for sizes the backbone cannot have; [`ModelError::Device`]; [`ModelError::Torch`] when memory
    /// runs out.
    pub fn build(config: &NetConfig, tasks: &[TaskSpec], options: &BuildOptions) -> Result<Self, ModelError> {
        Self::build_validated(&config.validated()?, tasks, options)
    }

    /// As [`Self::build`], from a config checked before.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_validated(net: &ValidatedNet, tasks: &[TaskSpec], options: &BuildOptions) -> Result<Self, ModelError> {
        check_tasks(tasks)?;
        let plan = plan_heads(&net.config, tasks)?;
        if matches!(options.device, Device::Cuda(_)) {
            environment::require_cuda(options.device)?;
        }
        let names = tasks.iter().map(|task| task.name.clone()).collect();
        let root = Scope::root(options.device, options.seed, options.layout, net.config.batch_norm, names);
        let backbone = net.backbone.build(
            &root.enter("backbone"),
            &net.config.backbone,
            options.input_channels,
            options.input_size,
        )?;
        let heads = plan
            .heads
            .iter()
            .map(|(name, outputs)| Linear::new(&root.enter("heads").enter(name), backbone.features(), *outputs))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            backbone,
            heads,
            head_of: plan.head_of,
            dropout: net.config.dropout,
            options: *options,
            tensors: root.store(),
        })
    }

    /// Images `[N, C, H, W]` f32, already normalised, to logits: one fp32 tensor `[len, outputs]` per segment. The trunk sees
    /// the whole batch at once.
    ///
    /// With `train`, `BatchNorm` uses and updates statistics of the batch and dropout draws from libtorch's global generator:
    /// call `tch::manual_seed` with a function of the step for draws that can be repeated. Autograd records in either mode
    /// unless the caller holds a `tch::no_grad_guard`.
    ///
    /// # Errors
    /// [`ModelError::Input`] when images or segments do not fit; [`ModelError::OneValuePerChannel`]; [`ModelError::Torch`].
    pub fn forward(&self, images: &Tensor, segments: &[Segment], train: bool) -> Result<Vec<Tensor>, ModelError> {
        self.check_images(images)?;
        check_segments(segments, images.size()[0], self.head_of.len())?;
        self.compute(images, segments, train)
            .map_err(|error| error.while_doing(|| format!("computing images of size {:?}", images.size())))
    }

    fn compute(&self, images: &Tensor, segments: &[Segment], train: bool) -> Result<Vec<Tensor>, ModelError> {
        let context = Context { train, kind: self.options.precision.kind(), segments };
        let images = in_layout(&images.f_to_device(self.options.device)?, self.options.layout)?;
        let features = self.backbone.forward(&images.f_to_kind(context.kind)?, &context)?;
        // fp32 from here on: the heads are a sliver of the work, and logits decide.
        let mut features = features.f_to_kind(Kind::Float)?;
        if self.dropout > 0.0 {
            features = features.f_dropout(self.dropout, train)?;
        }
        let context = Context { kind: Kind::Float, ..context };
        segments
            .iter()
            .map(|segment| {
                let rows = features.f_narrow(0, segment.start, segment.len)?;
                self.heads[self.head_of[segment.task]].forward(&rows, &context)
            })
            .collect()
    }

    /// The trainable tensors: fp32 masters, sorted by name, shallow clones.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        shallow(&self.tensors.parameters)
    }

    /// The running statistics of `BatchNorm`: fp32, sorted by name, shallow clones.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        shallow(&self.tensors.buffers)
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        self.tensors.parameters.values().map(Tensor::numel).sum()
    }

    /// Number of tasks.
    pub fn task_count(&self) -> usize {
        self.head_of.len()
    }

    /// What the network was built with.
    pub fn options(&self) -> &BuildOptions {
        &self.options
    }

    fn check_images(&self, images: &Tensor) -> Result<(), ModelError> {
        let size = images.size();
        let fits = size.len() == 4 && size[0] >= 1 && size[1] == self.options.input_channels;
        if fits {
            return Ok(());
        }
        let expected = format!("[N, {}, H, W] with N at least 1", self.options.input_channels);
        Err(ModelError::Input { what: "images have size", actual: format!("{size:?}"), expected })
    }
}

impl fmt::Debug for MultiTaskNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MultiTaskNet({} parameters, {} tasks)", self.parameter_count(), self.task_count())
    }
}

struct HeadPlan {
    /// Name and number of outputs.
    heads: Vec<(String, i64)>,
    head_of: Vec<usize>,
}

/// Gives each task a head: a shared one if the config names it there, else its own.
fn plan_heads(config: &NetConfig, tasks: &[TaskSpec]) -> Result<HeadPlan, ModelError> {
    let mut heads: Vec<(String, i64)> = Vec::new();
    let mut first_of: BTreeMap<String, (usize, &TaskSpec)> = BTreeMap::new();
    let mut head_of = Vec::with_capacity(tasks.len());
    for task in tasks {
        let shared = config.shared_heads.iter().find(|(_, members)| members.contains(&task.name));
        let name = shared.map_or(&task.name, |(name, _)| name);
        match first_of.get(name) {
            None => {
                check_name(name, task)?;
                first_of.insert(name.clone(), (heads.len(), task));
                head_of.push(heads.len());
                heads.push((name.clone(), task.outputs() as i64));
            }
            Some((_, other)) if shared.is_none() || !config.shared_heads[name].contains(&other.name) => {
                let problem =
                    format!("its head would be called `{name}` like that of `{}`; rename the shared head", other.name);
                return Err(ModelError::Task { task: task.name.clone(), problem });
            }
            Some((_, other)) if other.classes != task.classes || other.kind != task.kind => {
                let problem = format!("it cannot share the head `{name}` with `{}`: their classes differ", other.name);
                return Err(ModelError::Task { task: task.name.clone(), problem });
            }
            Some((head, _)) => head_of.push(*head),
        }
    }
    Ok(HeadPlan { heads, head_of })
}

fn check_tasks(tasks: &[TaskSpec]) -> Result<(), ModelError> {
    if tasks.is_empty() {
        return Err(ModelError::Input {
            what: "the number of tasks is",
            actual: "0".into(),
            expected: "at least 1".into(),
        });
    }
    for (index, task) in tasks.iter().enumerate() {
        check_name(&task.name, task)?;
        if task.classes.is_empty() {
            return Err(ModelError::Task { task: task.name.clone(), problem: "it has no classes".into() });
        }
        if tasks[..index].iter().any(|other| other.name == task.name) {
            return Err(ModelError::Task { task: task.name.clone(), problem: "the task is listed twice".into() });
        }
    }
    Ok(())
}

/// Names become parts of tensor names, where dots separate.
fn check_name(name: &str, task: &TaskSpec) -> Result<(), ModelError> {
    let legal = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !name.is_empty() && name.chars().all(legal) {
        return Ok(());
    }
    let problem = format!("`{name}` cannot name a head: use letters, digits, `_` and `-`");
    Err(ModelError::Task { task: task.name.clone(), problem })
}

/// Segments must cover the rows in order, without gaps.
fn check_segments(segments: &[Segment], rows: i64, tasks: usize) -> Result<(), ModelError> {
    let mut next = 0;
    for segment in segments {
        if segment.task >= tasks {
            let expected = format!("below the number of tasks, {tasks}");
            return Err(ModelError::Input { what: "a segment has task", actual: segment.task.to_string(), expected });
        }
        if segment.start != next || segment.len < 1 || segment.len > rows - next {
            let expected = format!("rows from {next} on, at least 1, within the {rows} rows of the batch");
            return Err(ModelError::Input { what: "segments hold", actual: format!("{segment:?}"), expected });
        }
        next += segment.len;
    }
    if next == rows {
        return Ok(());
    }
    Err(ModelError::Input { what: "segments cover", actual: format!("{next} rows"), expected: format!("{rows}") })
}

fn shallow(map: &BTreeMap<String, Tensor>) -> Vec<(String, Tensor)> {
    map.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
}
