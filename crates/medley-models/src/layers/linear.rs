use tch::Tensor;

use crate::init::Init;
use crate::{Context, ModelError, Scope};

/// `torch.nn.Linear`: weight `[out, in]`, bias `[out]`.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Registers `weight` and `bias` with PyTorch's initialisation.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, input: i64, output: i64) -> Result<Self, ModelError> {
        let init = Init::torch_default(input);
        let weight = scope.parameter("weight", &[output, input], init)?;
        let bias = Some(scope.parameter("bias", &[output], init)?);
        Ok(Self { weight, bias })
    }

    /// `[.., in]` to `[.., out]`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when shapes do not fit or memory runs out.
    pub fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let weight = self.weight.f_to_kind(context.kind)?;
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(context.kind)).transpose()?;
        Ok(x.f_linear(&weight, bias.as_ref())?)
    }
}
