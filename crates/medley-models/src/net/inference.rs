//! A network that only predicts.

use tch::Tensor;

use super::{Aside, MultiTaskNet};
use crate::ModelError;
use crate::context::{Levels, Prepared};
use crate::options::Segment;

/// A network that only predicts. It keeps weights that were prepared from the parameters by its first pass: make a new one
/// after the parameters change.
#[derive(Debug)]
pub struct Inference<'a> {
    net: &'a MultiTaskNet,
    number: u64,
    prepared: Prepared,
}

impl<'a> Inference<'a> {
    pub(super) fn new(net: &'a MultiTaskNet, number: u64) -> Self {
        Self { net, number, prepared: Prepared::default() }
    }

    /// As [`MultiTaskNet::forward`] in evaluation, to within rounding; nothing is recorded for a backward pass.
    ///
    /// On a CPU, without replicas, the bits of an image do not depend on the others: libtorch has other sums for a product of one row,
    /// or of a few, so there are always some.
    ///
    /// # Errors
    /// As [`MultiTaskNet::forward`].
    pub fn forward(&self, images: &Tensor, segments: &[Segment]) -> Result<Vec<Tensor>, ModelError> {
        self.compute(images, segments, None)
    }

    /// [`Self::forward`] without replicas, and what the network sees on its way `[N, features]`, fp32: the mean over space of what each
    /// layer makes that shortens the sides (a pool or a convolution with a stride), of as many layers from the first on as have 256
    /// channels together. `None` for networks without such layers.
    ///
    /// # Errors
    /// As [`MultiTaskNet::forward`].
    pub fn forward_with_levels(
        &self,
        images: &Tensor,
        segments: &[Segment],
    ) -> Result<(Vec<Tensor>, Option<Tensor>), ModelError> {
        let levels = Levels::default();
        let logits = self.compute(images, segments, Some(&levels))?;
        let _guard = tch::no_grad_guard();
        // Of an image that was computed twice, see below, once.
        let own = |levels: Tensor| levels.f_narrow(0, 0, images.size()[0]);
        Ok((logits, levels.joined()?.map(own).transpose()?))
    }

    fn compute(
        &self,
        images: &Tensor,
        segments: &[Segment],
        levels: Option<&Levels>,
    ) -> Result<Vec<Tensor>, ModelError> {
        let _guard = tch::no_grad_guard();
        self.net.check(images, segments)?;
        let pass = self.net.pass(false, 0, Some(self.number));
        let aside = Aside { prepared: Some(&self.prepared), levels, ..Aside::default() };
        // A single image is computed twice, so that its bits are those that it has among others.
        let ([segment], 1) = (segments, images.size()[0]) else {
            return self.net.compute(images, segments, pass, aside);
        };
        let twice = Tensor::f_cat(&[images, images], 0)?;
        let logits = self.net.compute(&twice, &[Segment { len: 2, ..*segment }], pass, aside)?;
        logits.iter().map(|logits| Ok(logits.f_narrow(0, 0, 1)?)).collect()
    }
}
