//! Names: where a layer registers its tensors while a network is built.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use tch::{Device, Kind, Tensor};

use crate::config::BatchNormScope;
use crate::init::Init;
use crate::{MemoryLayout, ModelError};

/// All tensors of a network by name.
#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) parameters: BTreeMap<String, Tensor>,
    pub(crate) buffers: BTreeMap<String, Tensor>,
}

/// What is the same for all layers of a network.
#[derive(Debug)]
struct Site {
    device: Device,
    seed: u64,
    layout: MemoryLayout,
    batch_norm: BatchNormScope,
    tasks: Vec<String>,
    store: RefCell<Store>,
}

/// A place in the tree of names, such as `backbone.layer1.0`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Scope {
    site: Rc<Site>,
    path: String,
}

impl Scope {
    pub(crate) fn root(
        device: Device,
        seed: u64,
        layout: MemoryLayout,
        batch_norm: BatchNormScope,
        tasks: Vec<String>,
    ) -> Self {
        let site = Site { device, seed, layout, batch_norm, tasks, store: RefCell::default() };
        Self { site: Rc::new(site), path: String::new() }
    }

    /// The scope `self.name`.
    #[must_use]
    pub fn enter(&self, name: impl std::fmt::Display) -> Self {
        Self { site: Rc::clone(&self.site), path: self.full(&name.to_string()) }
    }

    /// The dotted path of this scope.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What each task has of its own in a `BatchNorm`.
    pub fn batch_norm(&self) -> BatchNormScope {
        self.site.batch_norm
    }

    /// Names of the tasks, in order.
    pub fn tasks(&self) -> &[String] {
        &self.site.tasks
    }

    /// Registers a trainable fp32 tensor.
    ///
    /// # Errors
    /// [`ModelError::DuplicateName`], or [`ModelError::Torch`] when memory runs out.
    pub fn parameter(&self, name: &str, shape: &[i64], init: Init) -> Result<Tensor, ModelError> {
        let full = self.full(name);
        let _guard = tch::no_grad_guard();
        let tensor = self.tensor(&full, shape, init)?;
        let tensor = in_layout(&tensor, self.site.layout)?.f_detach()?.f_set_requires_grad(true)?;
        insert(&mut self.site.store.borrow_mut(), |store| &mut store.parameters, full, &tensor)?;
        Ok(tensor)
    }

    /// Registers an fp32 tensor that is part of the state but not trained.
    ///
    /// # Errors
    /// As [`Self::parameter`].
    pub fn buffer(&self, name: &str, shape: &[i64], value: f32) -> Result<Tensor, ModelError> {
        let full = self.full(name);
        let tensor = self.tensor(&full, shape, Init::Constant(value))?;
        insert(&mut self.site.store.borrow_mut(), |store| &mut store.buffers, full, &tensor)?;
        Ok(tensor)
    }

    /// Shallow clones of all tensors registered so far.
    pub(crate) fn store(&self) -> Store {
        let store = self.site.store.borrow();
        let clone = |map: &BTreeMap<String, Tensor>| {
            map.iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
        };
        Store { parameters: clone(&store.parameters), buffers: clone(&store.buffers) }
    }

    fn full(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    fn tensor(&self, full: &str, shape: &[i64], init: Init) -> Result<Tensor, ModelError> {
        let values = init.draw(self.site.seed, full, shape.iter().product::<i64>() as usize);
        Ok(Tensor::f_from_slice(&values)?.f_view(shape)?.f_to_kind(Kind::Float)?.f_to_device(self.site.device)?)
    }
}

/// Gives a tensor `[N, C, H, W]` or `[N, C, D, H, W]` the strides of a layout; others, and those that have them already,
/// pass without a copy.
pub(crate) fn in_layout(tensor: &Tensor, layout: MemoryLayout) -> Result<Tensor, ModelError> {
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

fn insert(
    store: &mut Store,
    map: impl Fn(&mut Store) -> &mut BTreeMap<String, Tensor>,
    name: String,
    tensor: &Tensor,
) -> Result<(), ModelError> {
    if store.parameters.contains_key(&name) || store.buffers.contains_key(&name) {
        return Err(ModelError::DuplicateName { name });
    }
    map(store).insert(name, tensor.shallow_clone());
    Ok(())
}
