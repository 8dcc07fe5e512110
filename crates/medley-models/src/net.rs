//! One trunk, many tasks.

mod heads;
mod inference;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use medley_core::TaskSpec;
use tch::{Kind, Tensor};

use self::heads::{check_segments, check_tasks, plan_heads};
pub use self::inference::Inference;
use crate::backbones::Backbone;
use crate::config::ValidatedNet;
use crate::context::{FeatureMap, Levels, Prepared, Recorder, Rows, Work};
use crate::layers::{Dropout, Linear};
use crate::options::{BuildOptions, Segment};
use crate::replicas::{self, Pass, Pending, Replicas, Share};
use crate::scope::{Filling, OwnKernels, Part, Scope, Store};
use crate::{Context, Convolutions, ModelError, environment};

/// Rows of a product with a head in inference, at least: products of fewer add up in another order.
const FEWEST_ROWS: i64 = 8;

/// A shared backbone with one linear head per task (or per group of tasks that share one).
///
/// Parameters of the trunk are called `backbone.` and their name in torchvision or timm, those of a head `heads.NAME.weight`
/// and `heads.NAME.bias`. What a task has of its own in the trunk has its name in between: `backbone.bn1.pathmnist.weight`,
/// `backbone.conv1.adapters.pathmnist.weight`.
pub struct MultiTaskNet {
    backbone: Box<dyn Backbone>,
    dropout: Dropout,
    heads: Vec<Linear>,
    head_names: Vec<String>,
    /// The head of each task.
    head_of: Vec<usize>,
    blueprint: Blueprint,
    options: BuildOptions,
    tensors: Store,
    replicas: Option<Replicas>,
    /// Of the last training pass, until its backward pass.
    pending: RefCell<Option<Pending>>,
    inferences: Cell<u64>,
    own_kernels: OwnKernels,
}

/// What a pass uses or leaves beside its logits.
#[derive(Clone, Copy, Default)]
struct Aside<'a> {
    prepared: Option<&'a Prepared>,
    recorder: Option<&'a Recorder>,
    levels: Option<&'a Levels>,
}

/// What a network was made from, to copy its trunk.
#[derive(Clone)]
struct Blueprint {
    net: ValidatedNet,
    tasks: Vec<String>,
}

impl MultiTaskNet {
    /// Builds a network with fresh parameters. The seed and a parameter's name alone decide its initial bits.
    ///
    /// With replicas, the work of every pass is shared between them, one thread each, and libtorch is set to one thread per
    /// operation in the calling thread: ask [`Self::gradients`] for gradients, not the loss. `BatchNorm` then normalises each
    /// replica's rows by their own statistics; all else is the same to within rounding, and the same bits for the same number
    /// of replicas.
    ///
    /// # Errors
    /// [`ModelError::Task`] for tasks that cannot be served together; [`ModelError::Config`] for sizes the backbone cannot have,
    /// for more replicas than a machine could use, and for replicas on another device than the CPU; [`ModelError::Device`];
    /// [`ModelError::Torch`] when memory runs out.
    pub fn build(net: &ValidatedNet, tasks: &[TaskSpec], options: &BuildOptions) -> Result<Self, ModelError> {
        options.plan.check()?;
        environment::require_cuda(options.plan.device)?;
        let mut network = Self::assemble(net, tasks, options, Filling::Initialised)?;
        network.start_replicas()?;
        Ok(network)
    }

    /// The outline of a network: its tensors have their names and shapes and take no memory. They can be counted, and
    /// [`Self::work`] says what computing takes; the values mean nothing.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn outline(net: &ValidatedNet, tasks: &[TaskSpec], options: &BuildOptions) -> Result<Self, ModelError> {
        Self::assemble(net, tasks, options, Filling::Zero)
    }

    fn assemble(
        net: &ValidatedNet,
        tasks: &[TaskSpec],
        options: &BuildOptions,
        filling: Filling,
    ) -> Result<Self, ModelError> {
        check_tasks(tasks)?;
        let plan = plan_heads(&net.config, tasks)?;
        let blueprint = Blueprint { net: net.clone(), tasks: tasks.iter().map(|task| task.name.clone()).collect() };
        let (root, backbone) = blueprint.trunk(options, filling)?;
        let dropout = Dropout::new(&root, net.config.dropout);
        let scope = root.enter("heads").as_part(Part::Heads);
        let heads = plan
            .heads
            .iter()
            .map(|(name, outputs)| Linear::new(&scope.enter(name), backbone.features(), *outputs))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            backbone,
            dropout,
            heads,
            head_names: plan.heads.into_iter().map(|(name, _)| name).collect(),
            head_of: plan.head_of,
            blueprint,
            options: *options,
            tensors: root.store(),
            replicas: None,
            pending: RefCell::new(None),
            inferences: Cell::new(0),
            own_kernels: root.own_kernels(),
        })
    }

    fn start_replicas(&mut self) -> Result<(), ModelError> {
        let count = self.options.plan.replicas;
        if count == 1 {
            return Ok(());
        }
        let copies = (1..count).map(|_| self.copy_of_trunk()).collect::<Result<Vec<_>, _>>()?;
        let trunk = &copies[0].1;
        // The network's own tensors under the names that the copies have too: its trunk's.
        let mut own = self.tensors.share();
        own.parameters.retain(|name, _| trunk.parameters.contains_key(name));
        self.replicas = Some(Replicas::start(&own, copies)?);
        environment::set_threads(1);
        Ok(())
    }

    /// Freezes the parameters whose name is chosen, and no others: they have no gradients from now on, and no time is spent on those.
    /// Running statistics go on all the same.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out.
    pub fn freeze(&mut self, is_frozen: impl Fn(&str) -> bool) -> Result<(), ModelError> {
        for (name, tensor) in &self.tensors.parameters {
            let _ = tensor.f_set_requires_grad(!is_frozen(name))?;
        }
        // Replicas learn of it by being made anew.
        self.replicas = None;
        self.start_replicas()
    }

    fn copy_of_trunk(&self) -> Result<(Box<dyn Backbone>, Store), ModelError> {
        let (root, backbone) = self.blueprint.trunk(&self.options, Filling::Shared(self.tensors.share()))?;
        Ok((backbone, root.store()))
    }

    /// Images `[N, C, H, W]` f32 (volumes `[N, C, D, H, W]`), already normalised, to logits: one fp32 tensor `[len, outputs]`
    /// per segment. The trunk sees the whole batch at once.
    ///
    /// With `train`, `BatchNorm` uses and updates statistics of the batch, and dropout is on: the same values are dropped in every
    /// pass, see [`Self::forward_with_noise`]. Autograd records in either mode (with replicas, in training) unless the caller
    /// holds a `tch::no_grad_guard`.
    ///
    /// # Errors
    /// [`ModelError::Input`] when images or segments do not fit; [`ModelError::OneValuePerChannel`]; [`ModelError::Torch`].
    pub fn forward(&self, images: &Tensor, segments: &[Segment], train: bool) -> Result<Vec<Tensor>, ModelError> {
        self.check(images, segments)?;
        self.compute(images, segments, self.pass(train, 0, None), Aside::default())
    }

    /// [`Self::forward`] in training, with dropout and stochastic depth drawn as functions of `noise`: a training loop gives a
    /// number that depends on the seed and the step, so that no step needs the ones before it, and nothing in the process is
    /// shared between networks.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_with_noise(
        &self,
        images: &Tensor,
        segments: &[Segment],
        noise: u64,
    ) -> Result<Vec<Tensor>, ModelError> {
        self.check(images, segments)?;
        self.compute(images, segments, self.pass(true, noise, None), Aside::default())
    }

    /// [`Self::forward`] in evaluation, with what explains the logits. Always in fp32 with the convolutions of libtorch and without
    /// replicas, whatever the compute plan: gradients with respect to images need the digits. Autograd records unless the caller
    /// holds a `tch::no_grad_guard`.
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn trace(&self, images: &Tensor, segments: &[Segment]) -> Result<Trace, ModelError> {
        self.check(images, segments)?;
        let compute = || -> Result<Trace, ModelError> {
            let pass = Pass { kind: Kind::Float, convolutions: Convolutions::Libtorch, ..self.pass(false, 0, None) };
            let rows = Rows::new(segments, (0..images.size()[0] as u64).collect(), self.options.plan.device)?;
            let kept = FeatureMap::default();
            let context = Context { feature_map: Some(&kept), ..Context::new(false, pass.kind, &rows, pass.noise) };
            let images = pass.input(&images.f_to_device(self.options.plan.device)?)?;
            let features = self.backbone.forward(&images.into(), &context)?.into_tensor()?;
            let logits = self.logits(features.shallow_clone(), &context)?;
            Ok(Trace { logits, features, feature_map: kept.into_inner() })
        };
        compute().map_err(|error| error.while_doing(|| format!("tracing images of size {:?}", images.size())))
    }

    /// Gradients of a loss that is made of the logits of the last [`Self::forward`]: in the order of [`Self::parameters`], each of
    /// its parameter's shape, fp32; `None` where the loss does not depend on the parameter. They are values: nothing is added up
    /// inside the network, and there is nothing to clear before the next pass.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a loss that is no scalar or that depends on no parameter, and, with replicas, after another pass
    /// than one in training; [`ModelError::Torch`] when memory runs out.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<Option<Tensor>>, ModelError> {
        let pending = self.pending.take();
        if loss.numel() != 1 || !loss.requires_grad() {
            let actual = format!("of size {:?}, with gradients: {}", loss.size(), loss.requires_grad());
            return Err(ModelError::Input {
                what: "the loss is",
                actual,
                expected: "a scalar made of the logits".into(),
            });
        }
        let parameters = &self.tensors.parameters;
        let Some(replicas) = &self.replicas else {
            return replicas::gradients_of(loss, parameters.values());
        };
        let Some(pending) = pending else {
            return Err(ModelError::Input {
                what: "the replicas' last pass is",
                actual: "one that recorded nothing".into(),
                expected: "`forward` in training, whose logits the loss is made of".into(),
            });
        };
        // The replicas' share of the parameters gets its gradients from them, the rest from here.
        let outside: Vec<&String> = parameters.keys().filter(|name| !replicas.computes(name)).collect();
        let inputs = outside.iter().map(|&name| &parameters[name]).chain([&pending.joined]);
        let mut gradients = replicas::gradients_of(loss, inputs)?;
        let features = gradients.pop().flatten();
        let mut by_name: BTreeMap<&String, Option<Tensor>> = outside.into_iter().zip(gradients).collect();
        if let Some(features) = features {
            by_name.extend(replicas.gradients(&pending, &features)?);
        }
        Ok(parameters.keys().map(|name| by_name.remove(name).flatten()).collect())
    }

    /// The network for prediction: `BatchNorm` folded into convolutions, weights cast once, nothing recorded.
    pub fn inference(&self) -> Inference<'_> {
        self.inferences.set(self.inferences.get() + 1);
        Inference::new(self, self.inferences.get())
    }

    /// The trainable tensors: fp32 masters, sorted by name, shallow clones.
    pub fn parameters(&self) -> Vec<(String, Tensor)> {
        self.tensors.parameters.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
    }

    /// The running statistics of `BatchNorm`: fp32, sorted by name, shallow clones.
    pub fn buffers(&self) -> Vec<(String, Tensor)> {
        self.tensors.buffers.iter().map(|(name, buffer)| (name.clone(), buffer.tensor.shallow_clone())).collect()
    }

    /// Number of trainable values.
    pub fn parameter_count(&self) -> usize {
        self.tensors.cost.values().sum()
    }

    /// Number of trainable values by what they are for: what each multi-task option costs.
    pub fn parameter_cost(&self) -> &BTreeMap<Part, usize> {
        &self.tensors.cost
    }

    /// What the network was made from.
    pub fn config(&self) -> &ValidatedNet {
        &self.blueprint.net
    }

    /// Convolutions that kernels of our own can compute.
    pub fn own_kernels(&self) -> OwnKernels {
        self.own_kernels
    }

    /// Names of the tasks, in order.
    pub fn task_names(&self) -> &[String] {
        &self.blueprint.tasks
    }

    /// Name of the head of a task, `NAME` in `heads.NAME.weight`.
    pub fn head_of(&self, task: usize) -> Option<&str> {
        self.head_of.get(task).map(|&head| self.head_names[head].as_str())
    }

    /// Number of tasks.
    pub fn task_count(&self) -> usize {
        self.head_of.len()
    }

    /// What the network was built with.
    pub fn options(&self) -> &BuildOptions {
        &self.options
    }

    /// Height and width (and depth) that the trunk sees, in pixels.
    pub fn input_size(&self) -> i64 {
        self.config().input_size(self.options.input_size)
    }

    /// Values of an image as the trunk sees it, all channels.
    pub fn input_values(&self) -> usize {
        self.options.input_channels as usize * (self.input_size() as usize).pow(self.axes() as u32)
    }

    /// The work of one image, found by following one through the layers, without their products.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out.
    pub fn work(&self) -> Result<Work, ModelError> {
        let _guard = tch::no_grad_guard();
        let BuildOptions { plan, input_channels: c, input_size: side, .. } = self.options;
        let space = vec![side; self.axes()];
        let images = Tensor::f_zeros([&[1, c], &space[..]].concat().as_slice(), (Kind::Float, plan.device))?;
        let recorder = Recorder::new(self.input_size());
        let segment = Segment { task: 0, start: 0, len: 1 };
        let aside = Aside { recorder: Some(&recorder), ..Aside::default() };
        self.compute(&images, &[segment], self.pass(false, 0, None), aside)?;
        Ok(recorder.into_work())
    }

    fn pass(&self, train: bool, noise: u64, inference: Option<u64>) -> Pass {
        let plan = self.options.plan;
        let input_size = self.config().config().input_size;
        Pass {
            train,
            kind: plan.kind(),
            layout: plan.memory_layout,
            convolutions: plan.convolutions,
            input_size,
            noise,
            inference,
        }
    }

    fn compute(
        &self,
        images: &Tensor,
        segments: &[Segment],
        pass: Pass,
        aside: Aside<'_>,
    ) -> Result<Vec<Tensor>, ModelError> {
        let Aside { prepared, recorder, levels } = aside;
        let logits = || {
            let rows = Rows::new(segments, (0..images.size()[0] as u64).collect(), self.options.plan.device)?;
            let context = Context::new(pass.train, pass.kind, &rows, pass.noise);
            let context = Context { prepared, recorder, levels, convolutions: pass.convolutions, ..context };
            let features = match &self.replicas {
                Some(replicas) if recorder.is_none() && levels.is_none() => {
                    let own = |images: &Tensor, share: &Share| {
                        replicas::forward(self.backbone.as_ref(), images, share, pass, prepared)
                    };
                    let (features, pending) = replicas.forward(images, segments, pass, own)?;
                    self.pending.replace(pending);
                    features
                }
                _ => {
                    let images = pass.input(&images.f_to_device(self.options.plan.device)?)?;
                    self.backbone.forward(&images.into(), &context)?.into_tensor()?
                }
            };
            self.logits(features, &context)
        };
        logits()
            .map_err(|error: ModelError| error.while_doing(|| format!("computing images of size {:?}", images.size())))
    }

    /// Dropout and heads, in fp32: they are a sliver of the work, and logits decide.
    fn logits(&self, features: Tensor, context: &Context<'_>) -> Result<Vec<Tensor>, ModelError> {
        let context = Context { kind: Kind::Float, ..*context };
        let features = self.dropout.forward(features.f_to_kind(Kind::Float)?.into(), &context)?.into_tensor()?;
        let segments = context.rows.segments();
        let lens: Vec<i64> = segments.iter().map(|segment| segment.len).collect();
        let parts = features.f_split_with_sizes(lens.as_slice(), 0)?;
        let logits = segments.iter().zip(&parts).map(|(segment, rows)| {
            let head = self.head(segment.task);
            let missing = FEWEST_ROWS - segment.len;
            if context.prepared.is_none() || missing <= 0 {
                return head.compute(rows, &context);
            }
            let rows = rows.f_constant_pad_nd([0, 0, 0, missing])?;
            Ok(head.compute(&rows, &context)?.f_narrow(0, 0, segment.len)?)
        });
        logits.collect()
    }

    pub(crate) fn trunk(&self) -> &dyn Backbone {
        self.backbone.as_ref()
    }

    pub(crate) fn head(&self, task: usize) -> &Linear {
        &self.heads[self.head_of[task]]
    }

    pub(crate) fn store(&self) -> &Store {
        &self.tensors
    }

    /// Spatial axes: 2 or 3.
    pub(crate) fn axes(&self) -> usize {
        if self.volumes() { 3 } else { 2 }
    }

    fn volumes(&self) -> bool {
        self.blueprint.net.backbone.volumes
    }

    fn check(&self, images: &Tensor, segments: &[Segment]) -> Result<(), ModelError> {
        let size = images.size();
        if size.len() != 2 + self.axes()
            || size[0] < 1
            || size[1] != self.options.input_channels
            || images.kind() != Kind::Float
        {
            let sides = if self.volumes() { "D, H, W" } else { "H, W" };
            let expected = format!("[N, {}, {sides}] with N at least 1, Float", self.options.input_channels);
            let actual = format!("{size:?} {:?}", images.kind());
            return Err(ModelError::Input { what: "images are", actual, expected });
        }
        check_segments(segments, size[0], self.head_of.len())
    }
}

/// What one pass leaves for those who explain it; see [`MultiTaskNet::trace`]. With their graph, so that logits can be derived with
/// respect to images and feature maps.
#[derive(Debug)]
pub struct Trace {
    /// One tensor `[len, outputs]` per segment.
    pub logits: Vec<Tensor>,
    /// What heads see, `[N, F]`.
    pub features: Tensor,
    /// What the trunk averages (or takes the largest value of) over space at its end, `[N, C, h, w]` or `[N, C, d, h, w]`; `None` for
    /// backbones without such a pool.
    pub feature_map: Option<Tensor>,
}

impl Blueprint {
    /// A trunk and the scope it was built in.
    fn trunk(&self, options: &BuildOptions, filling: Filling) -> Result<(Scope, Box<dyn Backbone>), ModelError> {
        let root = Scope::root(&self.net.config, self.tasks.clone(), options, filling)?;
        let config = &self.net.config.backbone;
        let input_size = self.net.input_size(options.input_size);
        let backbone = self.net.backbone.build(&root.enter("backbone"), config, options.input_channels, input_size)?;
        Ok((root, backbone))
    }
}

impl fmt::Debug for MultiTaskNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MultiTaskNet({} parameters, {} tasks)", self.parameter_count(), self.task_count())
    }
}
