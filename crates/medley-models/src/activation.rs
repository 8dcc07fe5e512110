//! What flows from layer to layer.
//!
//! A backbone says once what it computes, and that is done in two ways: with numbers, by libtorch, or by writing each step into
//! an ONNX graph. An [`Activation`] is either, and knows no operation that could not be both. So an exported graph cannot drift
//! from its network, and a new backbone of the same operations is exported without another line.
//!
//! A new operation is a function with two arms, here or in [`crate::layers`]; the conformance suite evaluates the graph of every
//! backbone against its network.

use tch::{Kind, Tensor};

use crate::trace::Traced;
use crate::{Context, ModelError};

/// An activation `[N, ..]`: its numbers, or its place in a graph.
#[derive(Debug)]
pub enum Activation {
    /// Numbers, in the dtype of the [`Context`].
    Tensor(Tensor),
    /// A value of a graph that is being written.
    Traced(Traced),
}

impl From<Tensor> for Activation {
    fn from(tensor: Tensor) -> Self {
        Self::Tensor(tensor)
    }
}

impl Activation {
    /// The numbers.
    ///
    /// # Errors
    /// [`ModelError::Input`] for a place in a graph, which has none.
    pub fn into_tensor(self) -> Result<Tensor, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x),
            Self::Traced(_) => Err(mixed()),
        }
    }

    /// The place in a graph.
    pub(crate) fn into_value(self) -> Result<medley_onnx::Value, ModelError> {
        match self {
            Self::Traced(x) => Ok(x.value().clone()),
            Self::Tensor(_) => Err(mixed()),
        }
    }

    /// The same activation once more.
    #[must_use]
    pub fn share(&self) -> Self {
        match self {
            Self::Tensor(x) => Self::Tensor(x.shallow_clone()),
            Self::Traced(x) => Self::Traced(x.clone()),
        }
    }

    /// `self + other`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] or [`ModelError::Onnx`] when shapes do not fit; [`ModelError::Torch`] when memory runs out.
    pub fn add(&self, other: &Self) -> Result<Self, ModelError> {
        match (self, other) {
            (Self::Tensor(x), Self::Tensor(y)) => Ok(x.f_add(y)?.into()),
            (Self::Traced(x), Self::Traced(y)) => x.then(|graph, x| graph.add(x, y.value())),
            _ => Err(mixed()),
        }
    }

    /// `self + other`, in place: for activations that nobody else reads.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_(self, other: &Self) -> Result<Self, ModelError> {
        match (self, other) {
            (Self::Tensor(mut x), Self::Tensor(y)) => Ok(x.f_add_(y)?.into()),
            (x, y) => x.add(y),
        }
    }

    /// `self * other`, value by value.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn mul(&self, other: &Self) -> Result<Self, ModelError> {
        match (self, other) {
            (Self::Tensor(x), Self::Tensor(y)) => Ok(x.f_mul(y)?.into()),
            (Self::Traced(x), Self::Traced(y)) => x.then(|graph, x| graph.mul(x, y.value())),
            _ => Err(mixed()),
        }
    }

    /// `self + parameter`, broadcast; the parameter is cast to the context's dtype.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn add_parameter(&self, parameter: &Tensor, context: &Context<'_>) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_add(&parameter.f_to_kind(context.kind)?)?.into()),
            Self::Traced(x) => {
                let parameter = x.parameter(parameter)?;
                x.then(|graph, x| graph.add(x, &parameter))
            }
        }
    }

    /// `self * parameter`, broadcast, as [`Self::add_parameter`].
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn mul_parameter(&self, parameter: &Tensor, context: &Context<'_>) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_mul(&parameter.f_to_kind(context.kind)?)?.into()),
            Self::Traced(x) => {
                let parameter = x.parameter(parameter)?;
                x.then(|graph, x| graph.mul(x, &parameter))
            }
        }
    }

    /// `1 / (1 + exp(-x))`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn sigmoid(&self) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_sigmoid()?.into()),
            Self::Traced(x) => x.then(medley_onnx::GraphBuilder::sigmoid),
        }
    }

    /// Axis `order[i]` becomes axis `i`.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn permute(&self, order: &[usize]) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => {
                let order: Vec<i64> = order.iter().map(|&axis| axis as i64).collect();
                Ok(x.f_permute(order.as_slice())?.into())
            }
            Self::Traced(x) => x.then(|graph, x| graph.transpose(x, order)),
        }
    }

    /// `[N, F]`: all axes but the first become one.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn flatten(&self) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_flatten(1, -1)?.into()),
            Self::Traced(x) => x.then(medley_onnx::GraphBuilder::flatten),
        }
    }

    /// `[N, C, ..]` to `[N, P, C]`: the positions of an image one after another, each with its channels.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn positions(&self) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_flatten(2, -1)?.f_transpose(1, 2)?.into()),
            Self::Traced(x) => {
                let positions = x.sides(2)?.iter().product();
                x.then(|graph, x| {
                    let rows = graph.reshape(x, &[None, None, Some(positions)])?;
                    graph.transpose(&rows, &[0, 2, 1])
                })
            }
        }
    }

    /// `[N, P, C]` to `[N, P + 1, C]`, with a parameter `[1, 1, C]` as the first position of every image.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn prepend(&self, parameter: &Tensor, context: &Context<'_>) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => {
                let first = parameter.f_to_kind(context.kind)?.f_expand([x.size()[0], -1, -1], false)?;
                Ok(Tensor::f_cat(&[&first, x], 1)?.into())
            }
            Self::Traced(x) => {
                // A zero before, and the parameter added to it: without a node for the size of the batch.
                let others = x.sides(1)?[0] as i64;
                let row = x.constant(&x.name_of(parameter), &parameter.f_constant_pad_nd([0, 0, 0, others])?)?;
                x.then(|graph, x| {
                    let padded = graph.pad_before(x, 1, 1)?;
                    graph.add(&padded, &row)
                })
            }
        }
    }

    /// One slice of an axis, which is gone afterwards.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn select(&self, axis: usize, index: usize) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_select(axis as i64, index as i64)?.into()),
            Self::Traced(x) => x.then(|graph, x| graph.select(x, axis, index)),
        }
    }

    /// Activations `[N, C, ..]` as one, channels after channels.
    ///
    /// # Errors
    /// As [`Self::add`]; [`ModelError::Input`] for none.
    pub fn concat(parts: &[Self]) -> Result<Self, ModelError> {
        let Some(Self::Traced(first)) = parts.first() else {
            let tensors = parts.iter().map(|part| part.share().into_tensor()).collect::<Result<Vec<_>, _>>()?;
            return Ok(Tensor::f_cat(&tensors, 1)?.into());
        };
        let values = parts
            .iter()
            .map(|part| match part {
                Self::Traced(x) => Ok(x.value()),
                Self::Tensor(_) => Err(mixed()),
            })
            .collect::<Result<Vec<_>, _>>()?;
        first.then(|graph, _| graph.concat(&values, 1))
    }

    /// Numbers in fp32; in a graph, too.
    pub(crate) fn to_float(&self) -> Result<Self, ModelError> {
        match self {
            Self::Tensor(x) => Ok(x.f_to_kind(Kind::Float)?.into()),
            Self::Traced(x) => x.then(|graph, x| graph.cast(x, medley_onnx::DataType::Float)),
        }
    }
}

/// A mistake in a layer: numbers where a graph is written.
fn mixed() -> ModelError {
    ModelError::Input {
        what: "a layer got",
        actual: "numbers and places in a graph together".into(),
        expected: "one of the two".into(),
    }
}
