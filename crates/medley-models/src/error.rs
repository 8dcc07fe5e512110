use std::fmt::{self, Write as _};

use medley_core::CoreError;
use tch::{Device, TchError};

/// Everything that building, running, saving and loading a network can report.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// No backbone of that name.
    #[error("no backbone is called `{name}`; {hint}")]
    UnknownBackbone {
        /// What was asked for.
        name: String,
        /// The nearest name, or all of them.
        hint: String,
    },
    /// A value of the network's config is out of range or does not fit the backbone.
    #[error("`{key}` is {value}: {problem}")]
    Config {
        /// Key of the config, dotted.
        key: String,
        /// Its value as text.
        value: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// The tasks cannot be served by one network.
    #[error("task `{task}`: {problem}")]
    Task {
        /// Task name.
        task: String,
        /// What is wrong and what would be right.
        problem: String,
    },
    /// Two parameters or buffers were given one name: a mistake in a backbone.
    #[error("two tensors are called `{name}`; each layer needs a scope of its own")]
    DuplicateName {
        /// The name.
        name: String,
    },
    /// What was passed to [`forward`](crate::MultiTaskNet::forward) does not fit the network.
    #[error("{what} {actual}, expected {expected}")]
    Input {
        /// Which argument, and the words that lead to the value.
        what: &'static str,
        /// What was given.
        actual: String,
        /// What is needed.
        expected: String,
    },
    /// `BatchNorm` cannot estimate a variance from one value.
    #[error(
        "BatchNorm `{layer}` got one value per channel in training{of}; use batches with at least two images per task, larger \
         images, or shared statistics"
    )]
    OneValuePerChannel {
        /// Name of the layer.
        layer: String,
        /// ` of task …`, if statistics are per task.
        of: String,
    },
    /// A weights file does not hold exactly the tensors of the network. Nothing was changed.
    #[error("the weights do not fit the network{}", list_misfits(.missing, .unexpected, .wrong_shape, .wrong_dtype))]
    Misfit {
        /// Tensors of the network that the file lacks.
        missing: Vec<String>,
        /// Tensors of the file that the network lacks.
        unexpected: Vec<String>,
        /// `name: file [..], network [..]`.
        wrong_shape: Vec<String>,
        /// `name: file F16, network F32`.
        wrong_dtype: Vec<String>,
    },
    /// A weights file is damaged or is none.
    #[error("not a valid safetensors file: {problem}")]
    WeightsFile {
        /// What the parser found.
        problem: String,
    },
    /// A tensor cannot be written to a weights file.
    #[error("tensor `{name}` cannot be saved: {problem}")]
    Unsavable {
        /// Its name.
        name: String,
        /// Why.
        problem: String,
    },
    /// The device cannot be used.
    #[error("device `{}` is not available: {problem}", crate::device::name(*.device))]
    Device {
        /// What was asked for.
        device: Device,
        /// Why, and what to do.
        problem: String,
    },
    /// libtorch reported an error; only the first line of its text is kept.
    #[error("libtorch, {doing}: {message}")]
    Torch {
        /// What was being done.
        doing: String,
        /// First line of the error.
        message: String,
    },
    /// A network cannot be written as ONNX.
    #[error("as ONNX: {0}")]
    Onnx(#[from] medley_onnx::OnnxError),
    /// A carrier type of the core was violated.
    #[error(transparent)]
    Core(#[from] CoreError),
}

impl From<TchError> for ModelError {
    fn from(error: TchError) -> Self {
        Self::Torch { doing: "in a tensor operation".into(), message: first_line(&error) }
    }
}

impl ModelError {
    /// Says what libtorch was doing when it failed; other errors pass unchanged.
    pub(crate) fn while_doing(self, doing: impl FnOnce() -> String) -> Self {
        match self {
            Self::Torch { message, .. } => Self::Torch { doing: doing(), message },
            other => other,
        }
    }

    pub(crate) fn config(key: impl Into<String>, value: impl fmt::Display, problem: impl Into<String>) -> Self {
        Self::Config { key: key.into(), value: value.to_string(), problem: problem.into() }
    }
}

/// libtorch appends some two kilobytes of C++ frames to every message.
fn first_line(error: &TchError) -> String {
    let text = match error {
        TchError::Torch(text) => text.clone(),
        other => other.to_string(),
    };
    text.lines().next().unwrap_or_default().trim().to_owned()
}

fn list_misfits(missing: &[String], unexpected: &[String], wrong_shape: &[String], wrong_dtype: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = String::new();
    for (title, names) in
        [("missing", missing), ("unexpected", unexpected), ("other shape", wrong_shape), ("other dtype", wrong_dtype)]
    {
        if !names.is_empty() {
            text.push_str("; ");
            text.push_str(title);
            text.push_str(": ");
            text.push_str(&names[..names.len().min(SHOWN)].join(", "));
            if names.len() > SHOWN {
                let _ = write!(text, " and {} more", names.len() - SHOWN);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtorch_errors_keep_their_first_line() {
        let error: ModelError =
            tch::Tensor::f_from_slice(&[1_f32, 2.0]).unwrap().f_view([3_i64]).map(|_| ()).unwrap_err().into();
        let text = error.to_string();
        assert!(text.contains("invalid for input of size 2"), "{text}");
        assert!(!text.contains('\n') && text.len() < 200, "{text}");
    }

    #[test]
    fn a_failed_allocation_is_told_from_other_errors() {
        // Nothing is allocated: no machine has so much address space.
        let error: ModelError =
            tch::Tensor::f_zeros([1 << 50], (tch::Kind::Float, Device::Cpu)).map(|_| ()).unwrap_err().into();
        assert!(medley_core::message::is_out_of_memory(&error.to_string()), "{error}");
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<String> = (0..20).map(|index| format!("layer{index}.weight")).collect();
        let text = ModelError::Misfit { missing: names, unexpected: vec![], wrong_shape: vec![], wrong_dtype: vec![] };
        assert!(text.to_string().ends_with("layer7.weight and 12 more"), "{text}");
    }
}
