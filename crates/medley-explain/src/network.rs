//! What is asked of a network.

use medley_models::{ModelError, MultiTaskNet, Segment};
use tch::Tensor;

/// What one pass gives, with its graph.
#[derive(Debug)]
pub struct Pass {
    /// `[N, outputs]` f32.
    pub logits: Tensor,
    /// The last activation that has places, `[N, C, h, w]` or `[N, C, d, h, w]` f32, if there is one.
    pub feature_map: Option<Tensor>,
}

/// A network of one task, in evaluation: the rows of a batch must not depend on each other.
pub trait Network {
    /// Images `[N, C, H, W]` f32 (volumes `[N, C, D, H, W]`), normalised, to logits. Autograd records, where it is on.
    ///
    /// # Errors
    /// What the network says.
    fn pass(&self, images: &Tensor) -> Result<Pass, ModelError>;

    /// How messages call it.
    fn name(&self) -> &str;
}

/// One task of a [`MultiTaskNet`].
#[derive(Debug, Clone, Copy)]
pub struct TaskNetwork<'a> {
    net: &'a MultiTaskNet,
    task: usize,
}

impl<'a> TaskNetwork<'a> {
    /// The task of that index. One that the network does not have is an error of the first pass.
    pub fn new(net: &'a MultiTaskNet, task: usize) -> Self {
        Self { net, task }
    }
}

impl Network for TaskNetwork<'_> {
    fn pass(&self, images: &Tensor) -> Result<Pass, ModelError> {
        let rows = images.size().first().copied().unwrap_or(0);
        let mut trace = self.net.trace(images, &[Segment { task: self.task, start: 0, len: rows }])?;
        Ok(Pass { logits: trace.logits.swap_remove(0), feature_map: trace.feature_map })
    }

    fn name(&self) -> &str {
        &self.net.config().config().backbone.name
    }
}
