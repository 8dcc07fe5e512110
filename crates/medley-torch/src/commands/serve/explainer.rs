//! Maps for a server.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use medley_augment::Normalisation;
use medley_core::{ImageShape, ImageSource, Images};
use medley_explain::overlay::Drawing;
use medley_explain::{ExplainError, Explanation, Method, Options, TaskNetwork, explain};
use medley_models::{MultiTaskNet, environment};
use medley_package::{ClassifierError, Explainer, Look};
use medley_predict::Bundle;

use crate::commands::explain::asked::normalised;

/// Pixels a side that a map has at least; of volumes, each slice.
const SIDE: usize = 224;
const SLICE: usize = 112;

/// An image, and the class that is asked about.
type Question = (Vec<u8>, usize);
type Reply = anyhow::Result<Look>;

/// Explains the network of one task, in a thread of its own, as libtorch's number of threads belongs to one. The network is built when
/// the first map is asked for: many servers draw none.
pub(super) struct TorchExplainer {
    questions: Sender<Question>,
    replies: Receiver<Reply>,
}

impl TorchExplainer {
    pub(super) fn start(bundle: Bundle, task: usize) -> anyhow::Result<Self> {
        let (questions, asked) = channel::<Question>();
        let (done, replies) = channel();
        let name = format!("maps of {}", bundle.package().models()[task].task().name);
        thread::Builder::new().name(name).spawn(move || {
            let mut work = Work { bundle, task, net: None };
            for (image, class) in asked {
                if done.send(work.look(image, class)).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { questions, replies })
    }
}

impl Explainer for TorchExplainer {
    fn explain(&mut self, image: &[u8], class: usize) -> Result<Look, ClassifierError> {
        let ended = || ClassifierError::Failed("the thread has ended".into());
        self.questions.send((image.to_vec(), class)).map_err(|_| ended())?;
        let reply = self.replies.recv().map_err(|_| ended())?;
        reply.map_err(|error| ClassifierError::Failed(error.into()))
    }
}

struct Work {
    bundle: Bundle,
    task: usize,
    net: Option<MultiTaskNet>,
}

impl Work {
    fn look(&mut self, image: Vec<u8>, class: usize) -> Reply {
        let net = if let Some(net) = self.net.take() {
            net
        } else {
            environment::set_threads(1);
            self.bundle.network()?
        };
        let net = self.net.insert(net);
        let model = &self.bundle.package().models()[self.task];
        let (shape, statistics) = (model.input(), model.normalisation());
        let normalisation = Normalisation { mean: statistics.mean.clone(), std: statistics.std.clone() };
        let images: Arc<dyn ImageSource> = Arc::new(Images::new(shape, 1, image.clone())?);
        let images = normalised(&images, &normalisation, &[0])?;
        let network = TaskNetwork::new(net, self.task);
        let by = |method| explain(&network, &images, &[class], &Options::new(method));
        let mut method = Method::GradCam;
        let explained = match by(method) {
            Err(ExplainError::NoFeatureMap { .. }) => {
                method = Method::INTEGRATED_GRADIENTS;
                by(method)
            }
            explained => explained,
        };
        let explanation = explained?.into_iter().next();
        let explanation = explanation.ok_or_else(|| anyhow::anyhow!("the network gave no map"))?;
        Ok(Look { method: method.to_string(), png: draw(shape, &image, &explanation)? })
    }
}

fn draw(shape: ImageShape, image: &[u8], explanation: &Explanation) -> Result<Vec<u8>, ExplainError> {
    let side = if shape.depth.is_some() { SLICE } else { SIDE };
    Drawing::new(shape, image, Drawing::scale_for(shape, side))?.overlay(&explanation.map)
}
