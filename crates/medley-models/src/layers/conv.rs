use tch::Tensor;

use crate::init::Init;
use crate::{Context, ModelError, Scope};

/// Geometry of a [`Conv2d`]; the default is 3x3, stride 1, padding 1, no bias, one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conv2dOptions {
    /// Side of the kernel.
    pub kernel: i64,
    /// Step.
    pub stride: i64,
    /// Zeros around the input.
    pub padding: i64,
    /// Groups of channels that do not mix.
    pub groups: i64,
    /// Whether a bias is added.
    pub bias: bool,
    /// Distribution of the initial weight; `None` is PyTorch's default.
    pub init: Option<Init>,
}

impl Default for Conv2dOptions {
    fn default() -> Self {
        Self { kernel: 3, stride: 1, padding: 1, groups: 1, bias: false, init: None }
    }
}

impl Conv2dOptions {
    /// 3x3 with padding 1.
    pub fn three(stride: i64) -> Self {
        Self { stride, ..Self::default() }
    }

    /// 1x1 without padding.
    pub fn one(stride: i64) -> Self {
        Self { kernel: 1, padding: 0, stride, ..Self::default() }
    }
}

/// `torch.nn.Conv2d`: weight `[out, in / groups, k, k]`.
#[derive(Debug)]
pub struct Conv2d {
    weight: Tensor,
    bias: Option<Tensor>,
    options: Conv2dOptions,
}

impl Conv2d {
    /// Registers `weight` and, if asked for, `bias`.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, input: i64, output: i64, options: Conv2dOptions) -> Result<Self, ModelError> {
        let Conv2dOptions { kernel, groups, .. } = options;
        let fan_in = input / groups * kernel * kernel;
        let init = options.init.unwrap_or(Init::torch_default(fan_in));
        let weight = scope.parameter("weight", &[output, input / groups, kernel, kernel], init)?;
        let bias = options.bias.then(|| scope.parameter("bias", &[output], Init::torch_default(fan_in))).transpose()?;
        Ok(Self { weight, bias, options })
    }

    /// `[N, in, H, W]` to `[N, out, H', W']`.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when shapes do not fit or memory runs out.
    pub fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let Conv2dOptions { stride, padding, groups, .. } = self.options;
        let weight = self.weight.f_to_kind(context.kind)?;
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(context.kind)).transpose()?;
        Ok(x.f_conv2d(&weight, bias, [stride, stride], [padding, padding], [1, 1], groups)?)
    }
}
