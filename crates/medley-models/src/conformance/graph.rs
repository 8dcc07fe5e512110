//! Evaluates an ONNX model with libtorch, node by node: what a test holds against the network that it was written from.
//!
//! It follows the specification of the operators, not the code that writes them, and knows those that networks here are written
//! with; anything else is an error. The shape that the file states for a value must be the one that it has.

use std::collections::BTreeMap;

use medley_onnx::DataType;
use medley_onnx::proto::{GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto};
use tch::{Kind, Tensor};

use crate::ModelError;

/// The outputs of a model for its one input, by name. 16-bit floats are computed as 32-bit ones, rounded where they are cast.
///
/// # Errors
/// What is wrong with the file, or what this evaluation does not know, as text.
pub fn evaluate(model: &[u8], input: &Tensor) -> Result<BTreeMap<String, Tensor>, String> {
    let model = ModelProto::read(model).map_err(|error| error.to_string())?;
    let graph = model.graph();
    let mut values: BTreeMap<String, Tensor> = BTreeMap::new();
    for constant in &graph.initializer {
        values.insert(constant.name().to_owned(), tensor_of(constant)?);
    }
    let [images] = graph.input.as_slice() else { return Err(format!("there are {} inputs", graph.input.len())) };
    let batch = input.size()[0];
    check_shape(images, input, batch)?;
    values.insert(images.name().to_owned(), input.shallow_clone());
    for node in &graph.node {
        let of = |error: String| format!("{} `{}`: {error}", node.op_type(), node.name());
        let y = compute(node, &values).map_err(of)?;
        let [name] = node.output.as_slice() else { return Err(of("it has not one output".into())) };
        check_shape(info(graph, name).ok_or_else(|| of("its output is not described".into()))?, &y, batch)
            .map_err(of)?;
        if values.insert(name.clone(), y).is_some() {
            return Err(of("its output was there before".into()));
        }
    }
    let output = |info: &ValueInfoProto| {
        let value = values.get(info.name()).ok_or_else(|| format!("output `{}` is not computed", info.name()))?;
        Ok((info.name().to_owned(), value.shallow_clone()))
    };
    graph.output.iter().map(output).collect()
}

fn info<'a>(graph: &'a GraphProto, name: &str) -> Option<&'a ValueInfoProto> {
    graph.value_info.iter().chain(&graph.output).find(|info| info.name() == name)
}

fn check_shape(info: &ValueInfoProto, value: &Tensor, batch: i64) -> Result<(), String> {
    let shape = info.r#type.as_ref().and_then(|kind| kind.tensor_type.as_ref()).and_then(|kind| kind.shape.as_ref());
    let stated: Vec<i64> =
        shape.into_iter().flat_map(|shape| &shape.dim).map(|dim| dim.dim_value.unwrap_or(batch)).collect();
    if stated == value.size() {
        return Ok(());
    }
    Err(format!("`{}` is stated as {stated:?} and is {:?}", info.name(), value.size()))
}

fn tensor_of(constant: &TensorProto) -> Result<Tensor, String> {
    let kind = match DataType::from_code(constant.data_type()) {
        Some(DataType::Float) => Kind::Float,
        Some(DataType::Float16) => Kind::Half,
        Some(DataType::Int64) => Kind::Int64,
        Some(DataType::Uint8) => Kind::Uint8,
        None => return Err(format!("`{}` has type {}", constant.name(), constant.data_type())),
    };
    let tensor =
        Tensor::f_from_data_size(constant.raw_data(), &constant.dims, kind).map_err(|error| error.to_string())?;
    Ok(if kind == Kind::Half { tensor.to_kind(Kind::Float) } else { tensor })
}

/// Attributes and inputs of a node.
struct Reader<'a> {
    node: &'a NodeProto,
    values: &'a BTreeMap<String, Tensor>,
}

impl Reader<'_> {
    fn input(&self, index: usize) -> Result<&Tensor, String> {
        self.optional(index).ok_or_else(|| format!("it lacks input {index}"))
    }

    fn optional(&self, index: usize) -> Option<&Tensor> {
        self.values.get(self.node.input.get(index)?)
    }

    fn integers(&self, index: usize) -> Result<Vec<i64>, String> {
        Vec::try_from(self.input(index)?.view([-1])).map_err(|error: tch::TchError| error.to_string())
    }

    fn ints(&self, name: &str) -> Vec<i64> {
        self.attribute(name).map(|attribute| attribute.ints.clone()).unwrap_or_default()
    }

    fn int(&self, name: &str, default: i64) -> i64 {
        self.attribute(name).and_then(|attribute| attribute.i).unwrap_or(default)
    }

    fn float(&self, name: &str, default: f64) -> f64 {
        self.attribute(name).and_then(|attribute| attribute.f).map_or(default, f64::from)
    }

    fn attribute(&self, name: &str) -> Option<&medley_onnx::proto::AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// Zeros before, which must be those after.
    fn pads(&self) -> Result<Vec<i64>, String> {
        let pads = self.ints("pads");
        let (before, after) = pads.split_at(pads.len() / 2);
        if before == after { Ok(before.to_vec()) } else { Err(format!("pads {pads:?}")) }
    }
}

fn compute(node: &NodeProto, values: &BTreeMap<String, Tensor>) -> Result<Tensor, String> {
    let read = Reader { node, values };
    let x = read.input(0)?;
    let result = match node.op_type() {
        "Identity" => Ok(x.shallow_clone()),
        "Relu" => x.f_relu(),
        "Sigmoid" => x.f_sigmoid(),
        "Erf" => x.f_erf(),
        "Softmax" => x.f_softmax(read.int("axis", -1), Kind::Float),
        "Add" => x.f_add(read.input(1)?),
        "Mul" => x.f_mul(read.input(1)?),
        "MatMul" => x.f_matmul(read.input(1)?),
        "Gemm" => match (read.int("transA", 0), read.int("transB", 0)) {
            (0, 1) => x.f_linear(read.input(1)?, read.optional(2)),
            other => return Err(format!("transposed as {other:?}")),
        },
        "Cast" => match DataType::from_code(read.int("to", 0) as i32) {
            Some(DataType::Float) => x.f_to_kind(Kind::Float),
            Some(DataType::Float16) => x.f_to_kind(Kind::Half).and_then(|x| x.f_to_kind(Kind::Float)),
            other => return Err(format!("to {other:?}")),
        },
        "Transpose" => x.f_permute(read.ints("perm").as_slice()),
        "Flatten" if read.int("axis", 1) == 1 => x.f_flatten(1, -1),
        "Gather" => match read.integers(1)?.as_slice() {
            [index] if read.input(1)?.dim() == 0 => x.f_select(read.int("axis", 0), *index),
            other => return Err(format!("of {other:?}")),
        },
        "Concat" => {
            let parts = (0..node.input.len()).map(|index| read.input(index)).collect::<Result<Vec<_>, _>>()?;
            Tensor::f_cat(&parts, read.int("axis", 0))
        }
        "Conv" | "MaxPool" | "AveragePool" | "GlobalAveragePool" | "GlobalMaxPool" => return window(&read, x),
        "BatchNormalization" => {
            let [scale, shift, mean, variance] = [1, 2, 3, 4].map(|index| read.optional(index));
            x.f_batch_norm(scale, shift, mean, variance, false, 0.0, read.float("epsilon", 1e-5), false)
        }
        "LayerNormalization" if read.int("axis", -1) == -1 => {
            let (scale, shift) = (read.input(1)?, read.optional(2));
            x.f_layer_norm(scale.size(), Some(scale), shift, read.float("epsilon", 1e-5), false)
        }
        "Reshape" => {
            let sides = read.integers(1)?.into_iter().enumerate();
            let sides: Vec<i64> = sides.map(|(axis, side)| if side == 0 { x.size()[axis] } else { side }).collect();
            x.f_reshape(sides.as_slice())
        }
        "Expand" => x.f_mul(&Tensor::ones(read.integers(1)?.as_slice(), (Kind::Float, x.device()))),
        "Pad" => {
            let pads = read.integers(1)?;
            let (before, after) = pads.split_at(pads.len() / 2);
            let last_first: Vec<i64> =
                before.iter().zip(after).rev().flat_map(|(&before, &after)| [before, after]).collect();
            x.f_constant_pad_nd(last_first.as_slice())
        }
        "Resize" => return resize(&read, x),
        _ => return Err("it is not known here".into()),
    };
    result.map_err(|error| ModelError::from(error).to_string())
}

fn window(read: &Reader<'_>, x: &Tensor) -> Result<Tensor, String> {
    let (kernel, strides, pads) = (read.ints("kernel_shape"), read.ints("strides"), read.pads()?);
    let ones = vec![1; pads.len()];
    let space: Vec<i64> = (2..x.dim() as i64).collect();
    let flat = space.len() == 2;
    let result = match read.node.op_type() {
        "Conv" => {
            let (weight, bias, groups) = (read.input(1)?, read.optional(2), read.int("group", 1));
            if weight.size()[2..] != kernel[..] {
                return Err(format!("kernel {kernel:?} of a weight {:?}", weight.size()));
            }
            if flat {
                x.f_conv2d(weight, bias, &strides, &pads, &ones, groups)
            } else {
                x.f_conv3d(weight, bias, &strides, &pads, &ones, groups)
            }
        }
        "MaxPool" if flat => x.f_max_pool2d(&kernel, &strides, &pads, &ones, false),
        "MaxPool" => x.f_max_pool3d(&kernel, &strides, &pads, &ones, false),
        "AveragePool" if flat => x.f_avg_pool2d(&kernel, &strides, &pads, false, false, None),
        "GlobalAveragePool" => x.f_mean_dim(space.as_slice(), true, None::<Kind>),
        "GlobalMaxPool" => x.f_amax(space.as_slice(), true),
        _ => return Err("volumes are not known here".into()),
    };
    result.map_err(|error| ModelError::from(error).to_string())
}

fn resize(read: &Reader<'_>, x: &Tensor) -> Result<Tensor, String> {
    let word = |name: &str| read.attribute(name).and_then(|attribute| attribute.s.as_deref());
    let modes = (word("mode"), word("coordinate_transformation_mode"));
    if modes != (Some(&b"linear"[..]), Some(&b"half_pixel"[..])) {
        return Err(format!("{modes:?}"));
    }
    let scales = Vec::<f32>::try_from(read.input(2)?).map_err(|error| error.to_string())?;
    let sides: Vec<i64> =
        x.size().iter().zip(&scales).skip(2).map(|(&side, scale)| (side as f32 * scale).floor() as i64).collect();
    let result = if sides.len() == 2 {
        x.f_upsample_bilinear2d(sides.as_slice(), false, None, None)
    } else {
        x.f_upsample_trilinear3d(sides.as_slice(), false, None, None, None)
    };
    result.map_err(|error| ModelError::from(error).to_string())
}
