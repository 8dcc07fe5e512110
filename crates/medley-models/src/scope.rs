//! Names: where a layer registers its tensors while a network is built.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use tch::{Device, Kind, TchError, Tensor};

use crate::config::NetConfig;
use crate::init::Init;
use crate::{BatchNormScope, BuildOptions, MemoryLayout, ModelError};

/// What a parameter is for, to show what each option of a network costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// Shared by all tasks.
    Trunk,
    /// Scales and shifts of a task's own `BatchNorm`.
    TaskNormalisation,
    /// A task's residual adapters.
    Adapters,
    /// Task embeddings and the maps from them to scales and shifts.
    TaskEmbedding,
    /// From features to logits.
    Heads,
}

/// All tensors of a network by name.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) parameters: BTreeMap<String, Tensor>,
    pub(crate) buffers: BTreeMap<String, Buffer>,
    pub(crate) cost: BTreeMap<Part, usize>,
}

impl Store {
    fn has(&self, name: &str) -> bool {
        self.parameters.contains_key(name) || self.buffers.contains_key(name)
    }

    /// Shallow clones of all tensors.
    pub(crate) fn share(&self) -> Self {
        let parameters = self.parameters.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect();
        let buffers = self.buffers.iter().map(|(name, buffer)| (name.clone(), buffer.share())).collect();
        Self { parameters, buffers, cost: self.cost.clone() }
    }
}

/// State that is not trained.
#[derive(Debug)]
pub(crate) struct Buffer {
    pub(crate) tensor: Tensor,
    /// Whose rows it follows; `None` is all.
    pub(crate) task: Option<usize>,
}

impl Buffer {
    pub(crate) fn share(&self) -> Self {
        Self { tensor: self.tensor.shallow_clone(), task: self.task }
    }
}

/// Where the values of a new network come from.
#[derive(Debug)]
pub(crate) enum Filling {
    /// Initialised from the seed.
    Initialised,
    /// Zero, and all values of a tensor in one place: to count parameters and to follow shapes, however large a network is.
    Zero,
    /// The memory of another network's parameters, as leaves of their own to autograd. Buffers are separate.
    Shared(Store),
}

/// What is the same for all layers of a network.
#[derive(Debug)]
struct Site {
    device: Device,
    seed: u64,
    layout: MemoryLayout,
    batch_norm: BatchNormScope,
    adapters: bool,
    tasks: Vec<String>,
    /// `[tasks, D]`, when each task has an embedding.
    embedding: RefCell<Option<Tensor>>,
    store: RefCell<Store>,
    layers: Cell<u64>,
    own_kernels: Cell<OwnKernels>,
    filling: Filling,
}

/// Convolutions of a network that kernels of our own could compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OwnKernels {
    /// By Winograd's algorithm: 3x3 with a stride of 1.
    pub winograd: usize,
    /// Of volumes, as they are written, in training.
    pub volumes: usize,
}

/// A place in the tree of names, such as `backbone.layer1.0`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    site: Rc<Site>,
    path: String,
    part: Part,
    task: Option<usize>,
}

impl Scope {
    pub(crate) fn root(
        config: &NetConfig,
        tasks: Vec<String>,
        options: &BuildOptions,
        filling: Filling,
    ) -> Result<Self, ModelError> {
        let site = Site {
            device: options.plan.device,
            seed: options.seed,
            layout: options.plan.memory_layout,
            batch_norm: config.batch_norm,
            adapters: config.adapters,
            tasks,
            embedding: RefCell::new(None),
            store: RefCell::default(),
            layers: Cell::new(0),
            own_kernels: Cell::default(),
            filling,
        };
        let root = Self { site: Rc::new(site), path: String::new(), part: Part::Trunk, task: None };
        if config.task_embedding > 0 {
            let shape = [root.site.tasks.len() as i64, config.task_embedding as i64];
            let scope = root.enter("task_embedding").as_part(Part::TaskEmbedding);
            let embedding = scope.parameter("weight", &shape, Init::Normal { std: 1.0 })?;
            root.site.embedding.replace(Some(embedding));
        }
        Ok(root)
    }

    /// The scope `self.name`.
    #[must_use]
    pub fn enter(&self, name: impl std::fmt::Display) -> Self {
        Self { path: self.full(&name.to_string()), ..self.clone() }
    }

    /// For each task, the scope `self.NAME` of what it has of its own.
    pub fn per_task(&self, part: Part) -> Vec<Self> {
        let tasks = self.site.tasks.iter().enumerate();
        tasks.map(|(index, name)| Self { part, task: Some(index), ..self.enter(name) }).collect()
    }

    /// The same place, for parameters of another purpose.
    #[must_use]
    pub fn as_part(&self, part: Part) -> Self {
        Self { part, ..self.clone() }
    }

    /// The dotted path of this scope.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What each task has of its own in a `BatchNorm`.
    pub fn batch_norm(&self) -> BatchNormScope {
        self.site.batch_norm
    }

    /// Whether convolutions have residual adapters.
    pub fn adapters(&self) -> bool {
        self.site.adapters
    }

    /// Names of the tasks, in order.
    pub fn tasks(&self) -> &[String] {
        &self.site.tasks
    }

    /// The embeddings of the tasks `[tasks, D]`, if they have any.
    pub fn task_embedding(&self) -> Option<Tensor> {
        self.site.embedding.borrow().as_ref().map(Tensor::shallow_clone)
    }

    /// A number that no other layer of the network has, the same whenever the network is built.
    pub fn next_layer(&self) -> u64 {
        self.site.layers.replace(self.site.layers.get() + 1)
    }

    /// Counts convolutions that kernels of our own could compute.
    pub(crate) fn note_own_kernels(&self, count: impl FnOnce(&mut OwnKernels)) {
        let mut kernels = self.own_kernels();
        count(&mut kernels);
        self.site.own_kernels.set(kernels);
    }

    /// How many were counted in the whole network.
    pub(crate) fn own_kernels(&self) -> OwnKernels {
        self.site.own_kernels.get()
    }

    /// Registers a trainable fp32 tensor.
    ///
    /// # Errors
    /// [`ModelError::DuplicateName`], or [`ModelError::Torch`] when memory runs out.
    pub fn parameter(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ModelError> {
        let full = self.full(name);
        let _guard = tch::no_grad_guard();
        let tensor = match &self.site.filling {
            Filling::Shared(original) => match original.parameters.get(&full) {
                Some(tensor) if tensor.size() == shape => tensor.shallow_clone(),
                _ => return Err(ModelError::config("net", full, "the network to be copied has another shape")),
            },
            Filling::Zero => self.tensor(&full, shape, init)?,
            Filling::Initialised => in_layout(&self.tensor(&full, shape, init)?, self.site.layout)?,
        };
        // A copy of what is frozen is frozen too.
        let frozen = match &self.site.filling {
            Filling::Shared(original) => original.parameters.get(&full).is_some_and(|tensor| !tensor.requires_grad()),
            _ => false,
        };
        let tensor = tensor.f_detach()?.f_set_requires_grad(!frozen)?;
        let mut store = self.site.store.borrow_mut();
        *store.cost.entry(self.part).or_default() += tensor.numel();
        if store.has(&full) {
            return Err(ModelError::DuplicateName { name: full });
        }
        store.parameters.insert(full, tensor.shallow_clone());
        Ok(tensor)
    }

    /// Registers an fp32 tensor that is part of the state but not trained.
    ///
    /// # Errors
    /// As [`Self::parameter`].
    pub fn buffer(&self, name: &str, shape: &[i64], value: f32) -> Result<Tensor, ModelError> {
        let full = self.full(name);
        let tensor = self.tensor(&full, shape, Init::Constant(value))?;
        let mut store = self.site.store.borrow_mut();
        if store.has(&full) {
            return Err(ModelError::DuplicateName { name: full });
        }
        store.buffers.insert(full, Buffer { tensor: tensor.shallow_clone(), task: self.task });
        Ok(tensor)
    }

    /// Shallow clones of all tensors registered so far.
    pub(crate) fn store(&self) -> Store {
        self.site.store.borrow().share()
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn tensor(&self, full: &str, shape: &[i64], init: Init) -> Result<Tensor, ModelError> {
        let len = shape
            .iter()
            .try_fold(1_usize, |product, &side| usize::try_from(side).ok().and_then(|side| product.checked_mul(side)))
            .filter(|&len| len <= LARGEST_TENSOR)
            .ok_or_else(|| ModelError::config("net", full, format!("a tensor of shape {shape:?} is too large")))?;
        if matches!(self.site.filling, Filling::Zero) {
            return Ok(Tensor::f_zeros([1], (Kind::Float, self.site.device))?.f_expand(shape, false)?);
        }
        let values = init.values(self.site.seed, full, len)?;
        Ok(Tensor::f_from_slice(&values)?.f_view(shape)?.f_to_kind(Kind::Float)?.f_to_device(self.site.device)?)
    }
}

/// 64 GiB of fp32: beyond any network of this crate at its largest width.
const LARGEST_TENSOR: usize = 1 << 34;

/// Gives a tensor `[N, C, H, W]` or `[N, C, D, H, W]` the strides of a layout; others, and those that have them already,
/// pass without a copy.
pub(crate) fn in_layout(tensor: &Tensor, layout: MemoryLayout) -> Result<Tensor, TchError> {
    let (to_last, to_first): (&[i64], &[i64]) = match tensor.dim() {
        4 => (&[0, 2, 3, 1], &[0, 3, 1, 2]),
        5 => (&[0, 2, 3, 4, 1], &[0, 4, 1, 2, 3]),
        _ => return Ok(tensor.shallow_clone()),
    };
    Ok(match layout {
        MemoryLayout::Contiguous => tensor.f_contiguous()?,
        MemoryLayout::ChannelsLast => tensor.f_permute(to_last)?.f_contiguous()?.f_permute(to_first)?,
    })
}
