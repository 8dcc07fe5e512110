//! Answers as tensors: JSON, and behind it the bytes of those tensors that were wanted so.

use bytes::Bytes;
use medley_package::{Answer, Model, NOTICE};
use serde::Serialize;

use super::request::{InferRequest, Wanted};
use super::signature::{Output, VERSION};
use crate::answers::{is_synthetic, warning};

/// The header that says how long the JSON is.
pub(crate) const BINARY_LENGTH: &str = "inference-header-content-length";

/// An answer, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Encoded {
    /// JSON, then bytes.
    pub body: Bytes,
    /// How long the JSON is, where bytes follow.
    pub json: Option<usize>,
}

#[derive(Serialize)]
struct RawResponse<'a> {
    model_name: &'a str,
    model_version: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    parameters: ResponseParameters,
    outputs: Vec<RawTensor>,
}

#[derive(Serialize)]
struct ResponseParameters {
    notice: &'static str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    synthetic: bool,
}

#[derive(Serialize)]
struct RawTensor {
    name: &'static str,
    datatype: &'static str,
    shape: Vec<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameters: Option<BinarySize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Values>,
}

#[derive(Serialize)]
struct BinarySize {
    binary_data_size: usize,
}

/// The values of a tensor, in row-major order.
#[derive(Serialize)]
#[serde(untagged)]
enum Values {
    Floats(Vec<f32>),
    Integers(Vec<i64>),
    Flags(Vec<bool>),
    Texts(Vec<String>),
}

impl Values {
    fn of(wanted: &Wanted, answers: &[Answer], model: &Model) -> Self {
        let (each, classes) = (answers.iter(), model.classes());
        let class = |answer: &Answer| answer.labels.first().copied();
        match (wanted.output, wanted.top) {
            (Output::Probabilities, Some(top)) => {
                Self::Texts(each.flat_map(|answer| highest(answer, top, classes)).collect())
            }
            (Output::Probabilities, None) => {
                Self::Floats(each.flat_map(|answer| answer.probabilities.iter().copied()).collect())
            }
            (Output::Class, _) => Self::Integers(each.map(|answer| class(answer).map_or(-1, i64::from)).collect()),
            (Output::Label, _) => {
                let name = |class: u16| classes.get(usize::from(class)).cloned();
                Self::Texts(each.map(|answer| class(answer).and_then(name).unwrap_or_default()).collect())
            }
            (Output::Labels, _) => {
                let flags = |answer: &Answer| {
                    let labels = answer.labels.clone();
                    (0..classes.len()).map(move |class| labels.iter().any(|&label| usize::from(label) == class))
                };
                Self::Flags(each.flat_map(flags).collect())
            }
            (Output::Entropy, _) => Self::Floats(each.map(|answer| answer.entropy).collect()),
            (Output::Warning, _) => {
                Self::Texts(each.map(|answer| warning(model, answer).unwrap_or_default()).collect())
            }
        }
    }

    fn datatype(&self) -> &'static str {
        match self {
            Self::Floats(_) => "FP32",
            Self::Integers(_) => "INT64",
            Self::Flags(_) => "BOOL",
            Self::Texts(_) => "BYTES",
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Floats(values) => values.len(),
            Self::Integers(values) => values.len(),
            Self::Flags(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }

    /// Little-endian; texts with their length in four bytes before them.
    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Floats(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::Integers(values) => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
            Self::Flags(values) => bytes.extend(values.iter().map(|&value| u8::from(value))),
            Self::Texts(values) => {
                for text in values {
                    bytes.extend((text.len() as u32).to_le_bytes());
                    bytes.extend(text.as_bytes());
                }
            }
        }
    }
}

/// `probability:index:name` of the highest, as Triton's extension has it; equal ones in their order.
fn highest(answer: &Answer, top: usize, classes: &[String]) -> Vec<String> {
    let name = |class: u16| classes.get(usize::from(class)).map_or("", String::as_str);
    let shown = |(class, probability): (u16, f32)| format!("{probability:.6}:{class}:{}", name(class));
    answer.top(top).into_iter().map(shown).collect()
}

/// The answer to a request.
pub(crate) fn encode(model: &Model, request: &InferRequest, answers: &[Answer]) -> Result<Encoded, serde_json::Error> {
    let mut bytes = Vec::new();
    let mut tensor = |wanted: &Wanted| {
        let values = Values::of(wanted, answers, model);
        let shape = match (wanted.output.by_class(), answers.len()) {
            (true, rows) => vec![rows, values.len() / rows.max(1)],
            (false, rows) => vec![rows],
        };
        let (datatype, begin) = (values.datatype(), bytes.len());
        let (parameters, data) = if wanted.binary {
            values.write(&mut bytes);
            (Some(BinarySize { binary_data_size: bytes.len() - begin }), None)
        } else {
            (None, Some(values))
        };
        RawTensor { name: wanted.output.name(), datatype, shape, parameters, data }
    };
    let outputs = request.outputs.iter().map(&mut tensor).collect();
    let response = RawResponse {
        model_name: model.name(),
        model_version: VERSION,
        id: request.id.as_deref(),
        parameters: ResponseParameters { notice: NOTICE, synthetic: is_synthetic(model) },
        outputs,
    };
    let mut body = serde_json::to_vec(&response)?;
    let json = request.outputs.iter().any(|wanted| wanted.binary).then_some(body.len());
    body.extend(bytes);
    Ok(Encoded { body: body.into(), json })
}
