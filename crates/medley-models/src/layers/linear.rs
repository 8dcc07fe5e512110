use tch::Tensor;

use crate::init::Init;
use crate::{Context, ModelError, Scope};

/// `torch.nn.Linear`: weight `[out, in]`, bias `[out]`.
#[derive(Debug)]
pub struct Linear {
    layer: u64,
    weight: Tensor,
    bias: Tensor,
}

impl Linear {
    /// Registers `weight` and `bias` with PyTorch's initialisation.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, input: i64, output: i64) -> Result<Self, ModelError> {
        let init = Init::torch_default(input);
        Self::with_init(scope, input, output, init, init)
    }

    /// As [`Self::new`], with other initial distributions.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn with_init(scope: &Scope, input: i64, output: i64, weight: Init, bias: Init) -> Result<Self, ModelError> {
        let weight = scope.parameter("weight", &[output, input], weight)?;
        Ok(Self { layer: scope.next_layer(), weight, bias: scope.parameter("bias", &[output], bias)? })
    }

    /// `[.., in]` to `[.., out]`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when shapes do not fit or memory runs out.
    pub fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        if let Some(recorder) = context.recorder {
            // Its work is counted without being done.
            let (mut shape, weight) = (x.size(), self.weight.size());
            shape.pop();
            shape.push(weight[0]);
            let y = Tensor::f_zeros(shape.as_slice(), (x.kind(), x.device()))?;
            recorder.keep(x);
            recorder.product(&y, weight[1]);
            return Ok(y);
        }
        let cast = || Ok((self.weight.f_to_kind(context.kind)?, Some(self.bias.f_to_kind(context.kind)?)));
        let (weight, bias) = match context.prepared {
            Some(prepared) => prepared.get(self.layer, usize::MAX, cast)?,
            None => cast()?,
        };
        Ok(x.f_linear(&weight, bias.as_ref())?)
    }
}
