//! The tensors of requests and answers, for the description of the interface. What is read and written is in `request` and `response`.
#![allow(dead_code, reason = "only their schemas are used")]

use utoipa::ToSchema;

/// A request of the Open Inference Protocol.
#[derive(ToSchema)]
#[schema(as = InferRequest)]
pub(crate) struct InferRequestSchema {
    /// Given back with the answer; at most 256 bytes.
    id: Option<String>,
    /// `binary_data_output`: true for all outputs as bytes behind the JSON. Others are ignored.
    parameters: Option<ParametersSchema>,
    /// One tensor, `images`.
    inputs: Vec<InputSchema>,
    /// Those that are wanted; all by default.
    outputs: Option<Vec<WantedSchema>>,
}

/// Names with true, false, numbers or text.
#[derive(ToSchema)]
#[schema(as = Parameters, value_type = Object)]
pub(crate) struct ParametersSchema(());

/// An input tensor.
#[derive(ToSchema)]
#[schema(as = Input)]
pub(crate) struct InputSchema {
    /// `images`.
    name: String,
    /// Number of images, then the sizes of one.
    shape: Vec<u64>,
    /// `UINT8`.
    datatype: String,
    /// `binary_data_size`: bytes of the tensor behind the JSON.
    parameters: Option<ParametersSchema>,
    /// Pixels from 0 to 255, row by row, channels interleaved: a flat list, or lists nested as the shape says. Absent where bytes follow.
    data: Option<Vec<u8>>,
}

/// An output tensor that is wanted.
#[derive(ToSchema)]
#[schema(as = RequestedOutput)]
pub(crate) struct WantedSchema {
    /// A name of the model's metadata.
    name: String,
    /// `binary_data`: true for bytes behind the JSON. `classification`: so many of the most probable classes, as `probability:index:name`.
    parameters: Option<ParametersSchema>,
}

/// An answer of the Open Inference Protocol.
#[derive(ToSchema)]
#[schema(as = InferResponse)]
pub(crate) struct InferResponseSchema {
    /// The model.
    model_name: String,
    /// `1`.
    model_version: String,
    /// As in the request.
    id: Option<String>,
    /// `notice`: that it is not for clinical use. `synthetic`: true where the model learned from generated images.
    parameters: ParametersSchema,
    /// One for each that was wanted.
    outputs: Vec<OutputSchema>,
}

/// An output tensor.
#[derive(ToSchema)]
#[schema(as = Output)]
pub(crate) struct OutputSchema {
    /// A name of the model's metadata.
    name: String,
    /// `FP32`, `INT64`, `BOOL` or `BYTES`.
    datatype: String,
    /// Number of images, then that of classes where there is a value for each.
    shape: Vec<u64>,
    /// `binary_data_size`: bytes of the tensor behind the JSON.
    parameters: Option<ParametersSchema>,
    /// The values, flat. Absent where bytes follow.
    #[schema(value_type = Option<Vec<Object>>)]
    data: Option<Vec<()>>,
}
