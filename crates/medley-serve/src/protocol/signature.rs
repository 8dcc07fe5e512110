//! The tensors that a model takes and gives.

use medley_core::TaskKind;
use medley_package::Model;
use serde::Serialize;
use utoipa::ToSchema;

/// The only version of a model that there is.
pub(crate) const VERSION: &str = "1";
/// The name of the input tensor.
pub(crate) const INPUT: &str = "images";

/// An output tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// `FP32[n, classes]`: probabilities, calibrated if the model is.
    Probabilities,
    /// `INT64[n]`: the index of the class by the model's rule.
    Class,
    /// `BYTES[n]`: the name of that class.
    Label,
    /// `BOOL[n, classes]`: the labels by the model's rule, for models that give several.
    Labels,
    /// `FP32[n]`: entropy of the probabilities in nats.
    Entropy,
    /// `BYTES[n]`: what is to be said about an image, such as that it is unlike those of the training; mostly empty.
    Warning,
}

impl Output {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Probabilities => "probabilities",
            Self::Class => "class",
            Self::Label => "label",
            Self::Labels => "labels",
            Self::Entropy => "entropy",
            Self::Warning => "warning",
        }
    }

    pub(crate) const fn datatype(self) -> &'static str {
        match self {
            Self::Probabilities | Self::Entropy => "FP32",
            Self::Class => "INT64",
            Self::Labels => "BOOL",
            Self::Label | Self::Warning => "BYTES",
        }
    }

    /// Whether there is a value for each class.
    pub(crate) const fn by_class(self) -> bool {
        matches!(self, Self::Probabilities | Self::Labels)
    }
}

/// The input tensor: `UINT8[n, …]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InputSignature {
    /// Sizes after that of the batch: `[H, W, C]` or `[D, H, W, C]`.
    pub shape: Vec<usize>,
}

impl InputSignature {
    /// Bytes of an image.
    pub(crate) fn image(&self) -> usize {
        self.shape.iter().product()
    }

    /// Such as `[n, 28, 28, 3]`.
    pub(crate) fn shown(&self) -> String {
        let sizes: Vec<_> = self.shape.iter().map(usize::to_string).collect();
        format!("[n, {}]", sizes.join(", "))
    }
}

/// What a model takes and gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Signature {
    pub input: InputSignature,
    pub classes: Vec<String>,
    pub outputs: Vec<Output>,
}

impl Signature {
    pub(crate) fn of(model: &Model) -> Self {
        let shape = model.input();
        let input = shape.depth.into_iter().chain([shape.height, shape.width, shape.channels]).collect();
        let outputs = if model.task().kind == TaskKind::MultiLabel {
            vec![Output::Probabilities, Output::Labels, Output::Entropy, Output::Warning]
        } else {
            vec![Output::Probabilities, Output::Class, Output::Label, Output::Entropy, Output::Warning]
        };
        Self { input: InputSignature { shape: input }, classes: model.classes().to_vec(), outputs }
    }

    /// Whether an image may have several labels, or none.
    pub(crate) fn gives_labels(&self) -> bool {
        self.outputs.contains(&Output::Labels)
    }

    pub(crate) fn metadata(&self, name: &str) -> ModelMetadata {
        let sizes = |sizes: &[usize]| [-1].into_iter().chain(sizes.iter().map(|&size| size as i64)).collect();
        let output = |output: &Output| TensorMetadata {
            name: output.name().into(),
            datatype: output.datatype().into(),
            shape: if output.by_class() { sizes(&[self.classes.len()]) } else { sizes(&[]) },
        };
        ModelMetadata {
            name: name.to_owned(),
            versions: vec![VERSION.to_owned()],
            platform: "medley".to_owned(),
            inputs: vec![TensorMetadata {
                name: INPUT.into(),
                datatype: "UINT8".into(),
                shape: sizes(&self.input.shape),
            }],
            outputs: self.outputs.iter().map(output).collect(),
        }
    }
}

/// The server, as `GET /v2` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ServerMetadata {
    /// `medley`.
    pub name: String,
    /// The version of the program.
    pub version: String,
    /// Extensions of the protocol.
    pub extensions: Vec<String>,
}

impl ServerMetadata {
    pub(crate) fn of_this() -> Self {
        Self {
            name: "medley".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            extensions: vec!["classification".into(), "binary_tensor_data".into(), "model_repository".into()],
        }
    }
}

/// A model, as `GET /v2/models/{model}` describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct ModelMetadata {
    /// Its name on this server.
    pub name: String,
    /// The only one, `1`.
    pub versions: Vec<String>,
    /// `medley`.
    pub platform: String,
    /// What it takes.
    pub inputs: Vec<TensorMetadata>,
    /// What it gives.
    pub outputs: Vec<TensorMetadata>,
}

/// A tensor that a model takes or gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct TensorMetadata {
    /// Its name.
    pub name: String,
    /// `UINT8`, `FP32`, `INT64`, `BOOL` or `BYTES`.
    pub datatype: String,
    /// Its sizes; -1 is that of the batch.
    pub shape: Vec<i64>,
}
