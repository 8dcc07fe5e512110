use tch::Tensor;

use crate::init::Init;
use crate::scope::Part;
use crate::{ModelError, Scope};

/// Feature-wise linear modulation (Perez et al. 2018): a task's embedding `e` scales channels by `1 + G e` and shifts them by
/// `H e`. The maps start small, so that a new network treats all tasks nearly alike.
#[derive(Debug)]
pub(super) struct Film {
    embedding: Tensor,
    weight: Tensor,
}

impl Film {
    /// Registers `film.weight`, `[2 C, D]`, if the tasks have embeddings.
    pub(super) fn new(scope: &Scope, channels: i64) -> Result<Option<Self>, ModelError> {
        let Some(embedding) = scope.task_embedding() else { return Ok(None) };
        let scope = scope.enter("film").as_part(Part::TaskEmbedding);
        let shape = [2 * channels, embedding.size()[1]];
        let weight = scope.parameter("weight", &shape, Init::Normal { std: 0.02 })?;
        Ok(Some(Self { embedding, weight }))
    }

    /// Scales and shifts of all tasks, `[tasks, C]` each, fp32.
    pub(super) fn tables(&self) -> Result<(Tensor, Tensor), ModelError> {
        let both = self.embedding.f_linear(&self.weight, None::<&Tensor>)?;
        let channels = both.size()[1] / 2;
        Ok((both.f_narrow(1, 0, channels)?.f_add_scalar(1.0)?, both.f_narrow(1, channels, channels)?))
    }
}
