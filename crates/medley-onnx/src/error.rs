//! What can be wrong with a graph.

/// Why a graph or a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    /// A name is used for two values.
    #[error("two values of the graph are called `{name}`; each needs a name of its own")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A value needs a name that is not empty.
    #[error("a value of the graph has no name")]
    Unnamed,
    /// A value comes from another graph.
    #[error("`{name}` is not a value of this graph; use those that its own builder gave")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// An operator cannot take values of these shapes or types.
    #[error("{operator}: {problem}")]
    Operator {
        /// ONNX's name of the operator.
        operator: &'static str,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// A constant's bytes are not what its shape says.
    #[error("a constant of shape {shape:?} needs {expected} values, and has {actual}")]
    Length {
        /// Its shape.
        shape: Vec<usize>,
        /// Values that the shape holds.
        expected: usize,
        /// Values that were given.
        actual: usize,
    },
    /// A number is not finite, or has no 16-bit form.
    #[error(
        "a constant holds {value}, which {dtype} has no finite number for; train the network again, or write 32 bits"
    )]
    NotFinite {
        /// The number.
        value: f32,
        /// The type it was to have.
        dtype: &'static str,
    },
    /// The file would be larger than protobuf allows.
    #[error("the model needs {bytes} bytes; ONNX files end at 2 GB; write 16-bit floats, or a narrower network")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A graph that gives nothing.
    #[error("the graph has no output; name at least one value by `output`")]
    NoOutput,
    /// Bytes that are no ONNX model.
    #[error("not an ONNX model: {problem}")]
    Damaged {
        /// What the reader found.
        problem: String,
    },
}
