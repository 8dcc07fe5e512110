//! What classifies.

use std::error::Error;

use medley_core::ImageShape;

use crate::{Answer, Model};

/// Something that classifies the images of one task. It may be sent to another thread, and is used by one at a time.
pub trait Classifier: Send {
    /// What it is.
    fn model(&self) -> &Model;

    /// Classifies images `[N, H, W, C]` (volumes `[N, D, H, W, C]`) u8, as [`Model::input`] says, into one answer for each, in their
    /// order. An image's answer does not depend on the others.
    ///
    /// # Errors
    /// [`ClassifierError::Bytes`] where they are not whole images, [`ClassifierError::Failed`] with what the network says.
    fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError>;
}

/// A picture of where in an image a network looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// How the map was made, as people read it.
    pub method: String,
    /// The map over the image, a PNG.
    pub png: Vec<u8>,
}

/// Something that says where in an image a model looked. It may be sent to another thread, and is used by one at a time.
pub trait Explainer: Send {
    /// Draws what the network used of one image, `[H, W, C]` or `[D, H, W, C]` u8 as [`Model::input`] says, for one class.
    ///
    /// # Errors
    /// [`ClassifierError`], as of [`Classifier::classify`].
    fn explain(&mut self, image: &[u8], class: usize) -> Result<Look, ClassifierError>;
}

/// Why images were not classified.
#[derive(Debug, thiserror::Error)]
pub enum ClassifierError {
    /// The bytes are not those of whole images.
    #[error("{actual} bytes are no whole number of images of {shape}, which have {} bytes each", shape.len())]
    Bytes {
        /// Bytes that were given.
        actual: usize,
        /// What the model takes.
        shape: ImageShape,
    },
    /// The network gave something else than finite numbers, one for each class.
    #[error("the network answers image {image} with {problem}")]
    Answer {
        /// Counted from 0.
        image: usize,
        /// What is wrong.
        problem: String,
    },
    /// What computes has failed.
    #[error("the network cannot classify")]
    Failed(#[source] Box<dyn Error + Send + Sync>),
}
