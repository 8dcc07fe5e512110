//! Requests: one tensor of images, as JSON or as bytes behind the JSON.

use bytes::Bytes;
use serde::Deserialize;

use super::bounded::{Few, Parameters, Scalar};
use super::data::Data;
use super::signature::{INPUT, Output, Signature};

/// Longer names of requests are refused.
const MAX_ID: usize = 256;

/// A request that a model can answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct InferRequest {
    /// To be given back.
    pub id: Option<String>,
    /// Images, one behind the other.
    pub images: Bytes,
    /// How many; at least 1.
    pub count: usize,
    /// What is wanted.
    pub outputs: Vec<Wanted>,
}

/// An output tensor that is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub output: Output,
    /// As bytes behind the JSON.
    pub binary: bool,
    /// The classes with the highest values instead of all values.
    pub top: Option<usize>,
}

/// What is wrong with a request: what, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestError {
    #[error("the body is not a request of the Open Inference Protocol: {0}")]
    Json(String),
    #[error("Inference-Header-Content-Length says {said}, but the body has {there} bytes")]
    HeaderLength { said: usize, there: usize },
    #[error("`inputs` has {0} tensors; the model takes one, `{INPUT}`")]
    Inputs(usize),
    #[error("the input is called {0:?}; the model takes `{INPUT}`")]
    Name(String),
    #[error("`{INPUT}` is {found}; the model takes UINT8, pixels from 0 to 255 as they are stored")]
    Datatype { found: String },
    #[error("`{INPUT}` has the shape {found}; the model takes {wanted}, with n at least 1")]
    Shape { found: String, wanted: String },
    #[error("`{INPUT}` has {found} values; the shape {shape} needs {wanted}")]
    Values { found: usize, shape: String, wanted: usize },
    #[error("the lists of `{INPUT}` are not nested as the shape {shape} says; a flat list is right, too")]
    Nesting { shape: String },
    #[error("value {index} of `{INPUT}` is {value}; UINT8 are whole numbers from 0 to 255")]
    Value { index: usize, value: String },
    #[error("`{INPUT}` has neither `data` nor the parameter `binary_data_size`")]
    NoData,
    #[error("`{INPUT}` has both `data` and the parameter `binary_data_size`; one of them is right")]
    TwoData,
    #[error("the parameter `{name}` is {found}; it must be {wanted}")]
    Parameter { name: &'static str, found: String, wanted: &'static str },
    #[error("`binary_data_size` is {said}, but {there} bytes follow the JSON")]
    BinarySize { said: usize, there: usize },
    #[error("shared memory is not supported; send the tensor in the body")]
    SharedMemory,
    #[error("the output {name:?} is not one of the model; it gives {known}")]
    Output { name: String, known: String },
    #[error("the output {0:?} is asked for twice")]
    Twice(String),
    #[error("`classification` is for the output `probabilities`, and not for {0:?}")]
    Classification(String),
    #[error("`id` has more than {MAX_ID} bytes")]
    Id,
}

#[derive(Deserialize)]
struct RawRequest {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
    inputs: Few<RawInput, 8>,
    #[serde(default)]
    outputs: Option<Few<RawOutput, 32>>,
}

#[derive(Deserialize)]
struct RawInput {
    name: String,
    shape: Few<i64, 16>,
    datatype: String,
    #[serde(default)]
    parameters: Option<Parameters>,
    #[serde(default)]
    data: Option<Data>,
}

#[derive(Deserialize)]
struct RawOutput {
    name: String,
    #[serde(default)]
    parameters: Option<Parameters>,
}

/// Reads a request. `header` is the length of the JSON where bytes follow it; 0 where there are only bytes.
pub(crate) fn parse(body: &Bytes, header: Option<usize>, signature: &Signature) -> Result<InferRequest, RequestError> {
    let length = header.unwrap_or(body.len());
    if length > body.len() {
        return Err(RequestError::HeaderLength { said: length, there: body.len() });
    }
    let binary = body.slice(length..);
    if header == Some(0) {
        return only_bytes(binary, signature);
    }
    let raw: RawRequest =
        serde_json::from_slice(&body[..length]).map_err(|error| RequestError::Json(error.to_string()))?;
    if raw.id.as_ref().is_some_and(|id| id.len() > MAX_ID) {
        return Err(RequestError::Id);
    }
    let binary_by_default = raw.parameters.as_ref().map_or(Ok(None), |all| flag(all, "binary_data_output"))?;
    let outputs = outputs(raw.outputs, binary_by_default.unwrap_or(false), signature)?;
    let [input] = <[RawInput; 1]>::try_from(raw.inputs.0).map_err(|inputs| RequestError::Inputs(inputs.len()))?;
    let (images, count) = images(input, binary, signature)?;
    Ok(InferRequest { id: raw.id, images, count, outputs })
}

/// Bytes alone, as many images as they are; the answer is bytes as well.
fn only_bytes(images: Bytes, signature: &Signature) -> Result<InferRequest, RequestError> {
    let image = signature.input.image();
    let count = images.len() / image;
    if count == 0 || !images.len().is_multiple_of(image) {
        let shape = signature.input.shown();
        return Err(RequestError::Values { found: images.len(), shape, wanted: image * (count + 1) });
    }
    let outputs = signature.outputs.iter().map(|&output| Wanted { output, binary: true, top: None }).collect();
    Ok(InferRequest { id: None, images, count, outputs })
}

/// The tensor of images, after every check: name, type, shape, number of values, values.
fn images(input: RawInput, binary: Bytes, signature: &Signature) -> Result<(Bytes, usize), RequestError> {
    if input.name != INPUT {
        return Err(RequestError::Name(shortened(&input.name)));
    }
    if input.datatype != "UINT8" {
        return Err(RequestError::Datatype { found: shortened(&input.datatype) });
    }
    let shape = shape(&input.shape.0, signature)?;
    let shown = || format!("{shape:?}");
    // No overflow: the other sizes are those of the model, and nobody sends a body of 2^63 bytes.
    let wanted = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    let wanted = wanted.unwrap_or(usize::MAX);
    let none = Parameters::default();
    let parameters = input.parameters.as_ref().unwrap_or(&none);
    if parameters.get("shared_memory_region").is_some() {
        return Err(RequestError::SharedMemory);
    }
    let size = number(parameters, "binary_data_size")?;
    let images = match (input.data, size) {
        (None, None) => return Err(RequestError::NoData),
        (Some(_), Some(_)) => return Err(RequestError::TwoData),
        (None, Some(said)) if said != binary.len() => {
            return Err(RequestError::BinarySize { said, there: binary.len() });
        }
        (None, Some(found)) if found != wanted => {
            return Err(RequestError::Values { found, shape: shown(), wanted });
        }
        (None, Some(_)) => binary,
        (Some(_), None) if !binary.is_empty() => {
            return Err(RequestError::BinarySize { said: 0, there: binary.len() });
        }
        (Some(data), None) if data.len() != wanted => {
            return Err(RequestError::Values { found: data.len(), shape: shown(), wanted });
        }
        (Some(data), None) if !data.fits(&shape) => return Err(RequestError::Nesting { shape: shown() }),
        (Some(data), None) => match data.wrong {
            Some((index, value)) => return Err(RequestError::Value { index, value }),
            None => data.bytes.into(),
        },
    };
    Ok((images, shape[0]))
}

/// The shape, if it is one of the model.
fn shape(found: &[i64], signature: &Signature) -> Result<Vec<usize>, RequestError> {
    let shape: Vec<_> = found.iter().filter_map(|&size| usize::try_from(size).ok()).collect();
    let fits =
        shape.len() == found.len() && shape.first().is_some_and(|&n| n > 0) && shape[1..] == signature.input.shape;
    if fits {
        return Ok(shape);
    }
    Err(RequestError::Shape { found: format!("{found:?}"), wanted: signature.input.shown() })
}

fn outputs(
    raw: Option<Few<RawOutput, 32>>,
    binary_by_default: bool,
    signature: &Signature,
) -> Result<Vec<Wanted>, RequestError> {
    let raw = raw.map(|few| few.0).unwrap_or_default();
    if raw.is_empty() {
        let all = signature.outputs.iter();
        return Ok(all.map(|&output| Wanted { output, binary: binary_by_default, top: None }).collect());
    }
    let mut wanted: Vec<Wanted> = Vec::new();
    for asked in raw {
        let Some(&output) = signature.outputs.iter().find(|output| output.name() == asked.name) else {
            let known: Vec<_> = signature.outputs.iter().map(|output| format!("`{}`", output.name())).collect();
            return Err(RequestError::Output { name: shortened(&asked.name), known: known.join(", ") });
        };
        if wanted.iter().any(|earlier| earlier.output == output) {
            return Err(RequestError::Twice(asked.name));
        }
        let parameters = asked.parameters.unwrap_or_default();
        if parameters.get("shared_memory_region").is_some() {
            return Err(RequestError::SharedMemory);
        }
        let binary = flag(&parameters, "binary_data")?.unwrap_or(binary_by_default);
        let top = number(&parameters, "classification")?.filter(|&top| top > 0);
        if top.is_some() && output != Output::Probabilities {
            return Err(RequestError::Classification(asked.name));
        }
        wanted.push(Wanted { output, binary, top });
    }
    Ok(wanted)
}

fn flag(parameters: &Parameters, name: &'static str) -> Result<Option<bool>, RequestError> {
    match parameters.get(name) {
        None => Ok(None),
        Some(Scalar::Bool(value)) => Ok(Some(*value)),
        Some(other) => Err(RequestError::Parameter { name, found: shown(other), wanted: "true or false" }),
    }
}

fn number(parameters: &Parameters, name: &'static str) -> Result<Option<usize>, RequestError> {
    let wrong = |found| RequestError::Parameter { name, found, wanted: "a whole number that is not negative" };
    match parameters.get(name) {
        None => Ok(None),
        Some(Scalar::Integer(value)) => usize::try_from(*value).map(Some).map_err(|_| wrong(value.to_string())),
        Some(other) => Err(wrong(shown(other))),
    }
}

fn shown(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Bool(value) => value.to_string(),
        Scalar::Integer(value) => value.to_string(),
        Scalar::Float(value) => value.to_string(),
        Scalar::Text(text) => format!("{:?}", shortened(text)),
    }
}

/// What a client wrote, so far as it helps to find it again.
fn shortened(text: &str) -> String {
    if text.chars().nth(64).is_none() {
        return text.to_owned();
    }
    text.chars().take(64).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
