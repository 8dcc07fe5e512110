use tch::Tensor;

use crate::init::Init;
use crate::trace::Traced;
use crate::{Activation, Context, ModelError, Scope};

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
    /// [`ModelError::Torch`] when shapes do not fit or memory runs out; [`ModelError::Onnx`] when a graph is written.
    pub fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context)?.into()),
            Activation::Traced(x) => self.trace(x),
        }
    }

    fn trace(&self, x: &Traced) -> Result<Activation, ModelError> {
        let names = x.layer(&self.weight, None);
        let bias = x.constant(&names.part("bias"), &self.bias)?;
        if x.value().shape().len() == 2 {
            let weight = x.constant(&names.part("weight"), &self.weight)?;
            return x.then(|graph, x| graph.gemm(x, &weight, &bias));
        }
        let weight = x.constant(&names.part("weight_transposed"), &self.weight.f_transpose(0, 1)?)?;
        x.then(|graph, x| {
            let product = graph.matmul(x, &weight)?;
            graph.add(&product, &bias)
        })
    }

    pub(crate) fn compute(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
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
