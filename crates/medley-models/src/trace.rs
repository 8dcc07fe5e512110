//! Writing a forward pass into an ONNX graph.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use medley_onnx::{Constant, DataType, Dim, GraphBuilder, OnnxError, Value};
use tch::{Device, Kind, Tensor};

use crate::activation::Activation;
use crate::{ModelError, scope::Store};

/// The graph of a network while it grows, and what the network's tensors are called.
#[derive(Debug)]
pub(crate) struct GraphTrace {
    graph: RefCell<GraphBuilder>,
    /// Names of parameters and buffers, by where their numbers lie: layers hold tensors, not names.
    names: BTreeMap<usize, String>,
    tasks: Vec<String>,
}

impl GraphTrace {
    pub(crate) fn new(graph: GraphBuilder, store: &Store, tasks: &[String]) -> Rc<Self> {
        let parameters = store.parameters.iter().map(|(name, tensor)| (tensor, name));
        let buffers = store.buffers.iter().map(|(name, buffer)| (&buffer.tensor, name));
        let names =
            parameters.chain(buffers).map(|(tensor, name)| (tensor.data_ptr() as usize, name.clone())).collect();
        Rc::new(Self { graph: RefCell::new(graph), names, tasks: tasks.to_vec() })
    }

    /// The graph, if no activation of it is left.
    pub(crate) fn into_graph(self: Rc<Self>) -> Option<GraphBuilder> {
        Rc::into_inner(self).map(|trace| trace.graph.into_inner())
    }

    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut GraphBuilder) -> Result<T, OnnxError>) -> Result<T, ModelError> {
        Ok(f(&mut self.graph.borrow_mut())?)
    }

    /// A value as an activation of this graph.
    pub(crate) fn activation(self: &Rc<Self>, value: Value) -> Activation {
        Activation::Traced(Traced { trace: Rc::clone(self), value })
    }
}

/// An activation's place in a graph.
#[derive(Debug, Clone)]
pub struct Traced {
    trace: Rc<GraphTrace>,
    value: Value,
}

impl Traced {
    /// The value of the graph.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Type of activations and of the weights they meet.
    pub(crate) fn dtype(&self) -> DataType {
        self.value.dtype()
    }

    /// Sides from an axis on, which must be known.
    ///
    /// # Errors
    /// [`ModelError::Onnx`] when one is the batch, or there is no such axis.
    pub(crate) fn sides(&self, from: usize) -> Result<Vec<usize>, ModelError> {
        let known = |dim: &Dim| match *dim {
            Dim::Fixed(side) => Some(side),
            Dim::Batch => None,
        };
        let sides: Option<Vec<usize>> =
            self.value.shape().get(from..).map(|dims| dims.iter().map_while(known).collect());
        sides.filter(|sides| !sides.is_empty() && sides.len() + from == self.value.shape().len()).ok_or_else(|| {
            let problem = format!("no sides are known from axis {from} on of {:?}", self.value.shape());
            ModelError::Onnx(OnnxError::Operator { operator: "Shape", problem })
        })
    }

    /// One step more.
    pub(crate) fn then(
        &self,
        f: impl FnOnce(&mut GraphBuilder, &Value) -> Result<Value, OnnxError>,
    ) -> Result<Activation, ModelError> {
        Ok(self.trace.activation(self.trace.with(|graph| f(graph, &self.value))?))
    }

    /// What a parameter or buffer is called.
    pub(crate) fn name_of(&self, tensor: &Tensor) -> String {
        self.trace.names.get(&(tensor.data_ptr() as usize)).cloned().unwrap_or_else(|| "constant".to_owned())
    }

    /// Where a layer's names begin, such as `backbone.conv1`, and end, if it has other numbers for each task.
    pub(crate) fn layer(&self, weight: &Tensor, task: Option<usize>) -> LayerNames {
        let name = self.name_of(weight);
        let layer = name.strip_suffix(".weight").unwrap_or(&name).to_owned();
        LayerNames { layer, task: task.and_then(|task| self.trace.tasks.get(task).cloned()) }
    }

    /// A parameter of the network, as it is.
    pub(crate) fn parameter(&self, tensor: &Tensor) -> Result<Value, ModelError> {
        self.constant(&self.name_of(tensor), tensor)
    }

    /// Numbers under a name, in the type of the activation.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when memory runs out; [`ModelError::Onnx`] for numbers that are not finite in that type.
    pub(crate) fn constant(&self, name: &str, tensor: &Tensor) -> Result<Value, ModelError> {
        let shape: Vec<usize> = tensor.size().into_iter().map(|side| side as usize).collect();
        let flat = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_view([-1])?;
        let values = Vec::<f32>::try_from(&flat)?;
        let constant = Constant::float(self.dtype(), &shape, &values)
            .map_err(|error| ModelError::Unsavable { name: name.to_owned(), problem: error.to_string() })?;
        self.trace.with(|graph| graph.constant(name, constant))
    }
}

/// Names of one layer's constants.
#[derive(Debug)]
pub(crate) struct LayerNames {
    layer: String,
    task: Option<String>,
}

impl LayerNames {
    /// `LAYER.weight`, or `LAYER.TASK.weight`.
    pub(crate) fn part(&self, part: &str) -> String {
        match &self.task {
            None => format!("{}.{part}", self.layer),
            Some(task) => format!("{}.{task}.{part}", self.layer),
        }
    }
}
