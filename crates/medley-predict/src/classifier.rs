//! A network in a thread of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use medley_package::{Answer, Classifier, ClassifierError, Model};

use crate::PredictError;
use crate::network::{Blueprint, Network, Raw};

/// A network of one task, computed by libtorch. It lives in a thread of its own, as libtorch's number of threads belongs to one; it may be
/// used from any. The thread ends when this is dropped.
pub struct TorchClassifier {
    model: Model,
    /// `None` when it is dropped.
    images: Option<Sender<Vec<u8>>>,
    answers: Receiver<Result<Raw, PredictError>>,
    thread: Option<JoinHandle<()>>,
}

impl TorchClassifier {
    pub(crate) fn start(blueprint: Blueprint) -> Result<Self, PredictError> {
        let model = blueprint.package.models()[blueprint.task].clone();
        let (images, todo) = channel::<Vec<u8>>();
        let (done, answers) = channel();
        let work = move || {
            let network = match Network::build(&blueprint) {
                Ok(network) => network,
                Err(error) => {
                    let _ = done.send(Err(error));
                    return;
                }
            };
            drop(blueprint);
            if done.send(Ok(Raw::default())).is_err() {
                return;
            }
            let inference = network.inference();
            for images in todo {
                if done.send(network.compute(&inference, images)).is_err() {
                    return;
                }
            }
        };
        let builder = std::thread::Builder::new().name(format!("network of {}", model.task().name));
        let thread = builder.spawn(work).map_err(PredictError::Thread)?;
        let classifier = Self { model, images: Some(images), answers, thread: Some(thread) };
        classifier.received().map(|_| classifier)
    }

    fn received(&self) -> Result<Raw, PredictError> {
        self.answers.recv().map_err(|_| PredictError::Thread(std::io::Error::other("the thread has ended")))?
    }

    /// What the network says, before any temperature and without a decision.
    pub(crate) fn raw(&mut self, images: &[u8]) -> Result<Raw, PredictError> {
        let shape = self.model.input();
        if !images.len().is_multiple_of(shape.len().max(1)) {
            return Err(ClassifierError::Bytes { actual: images.len(), shape }.into());
        }
        let sent = self.images.as_ref().is_some_and(|thread| thread.send(images.to_vec()).is_ok());
        if !sent {
            return Err(PredictError::Thread(std::io::Error::other("the thread has ended")));
        }
        self.received()
    }
}

impl Classifier for TorchClassifier {
    fn model(&self) -> &Model {
        &self.model
    }

    fn classify(&mut self, images: &[u8]) -> Result<Vec<Answer>, ClassifierError> {
        let raw = self.raw(images).map_err(|error| match error {
            PredictError::Classifier(error) => error,
            error => ClassifierError::Failed(Box::new(error)),
        })?;
        self.model.answers(&raw.probabilities, &raw.unlike)
    }
}

impl Drop for TorchClassifier {
    fn drop(&mut self) {
        self.images = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
