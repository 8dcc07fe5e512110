//! Why something cannot be explained.

use medley_models::ModelError;
use tch::TchError;

/// Why something cannot be explained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// Grad-CAM needs a map of features, and the network has none, or one of a single place.
    #[error(
        "`{network}` has no feature map of several places before its head, which Grad-CAM needs; integrated gradients and occlusion \
         explain every network"
    )]
    NoFeatureMap {
        /// The backbone.
        network: String,
    },
    /// A class that the network does not have.
    #[error("class {class} is asked for, and the network has {outputs}, counted from 0")]
    Class {
        /// What was asked for.
        class: usize,
        /// Logits of the network.
        outputs: usize,
    },
    /// A number that cannot be.
    #[error("`{option}` is {value}: {problem}")]
    Option {
        /// Such as `steps`.
        option: &'static str,
        /// What it is.
        value: String,
        /// What is allowed.
        problem: String,
    },
    /// Images, classes or maps that do not go together.
    #[error("{what} {actual}; expected {expected}")]
    Input {
        /// Such as `images are`.
        what: &'static str,
        /// What it is.
        actual: String,
        /// What it should be.
        expected: String,
    },
    /// The network gives no numbers.
    #[error("the network gives no finite number for image {image} of the batch; are its weights whole?")]
    NotFinite {
        /// Index in the batch.
        image: usize,
    },
    /// What the network says.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A picture could not be written.
    #[error("a map cannot be drawn: {0}")]
    Picture(String),
}

impl From<TchError> for ExplainError {
    fn from(error: TchError) -> Self {
        Self::Model(error.into())
    }
}
