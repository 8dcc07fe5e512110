use tch::Tensor;

use super::{After, BatchNorm, Conv, ConvOptions, relu};
use crate::context::{WeightAndBias, per_segment};
use crate::{Activation, Context, ModelError, Scope};

/// A convolution followed by `BatchNorm`. In inference the two are one convolution, with
/// `w' = w g / sqrt(v + e)` and `b' = (b - m) g / sqrt(v + e) + h` computed in fp32 from running mean `m`, variance `v`, scale `g`
/// and shift `h`; of each task, where tasks have their own. An exported graph has that one, too.
#[derive(Debug)]
pub struct ConvNorm {
    conv: Conv,
    norm: BatchNorm,
}

impl ConvNorm {
    /// Registers both layers under the names they have in torchvision.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(
        conv_scope: &Scope,
        norm_scope: &Scope,
        input: i64,
        output: i64,
        options: ConvOptions,
    ) -> Result<Self, ModelError> {
        let conv = Conv::new(conv_scope, input, output, options)?;
        Ok(Self { conv, norm: BatchNorm::new(norm_scope, output)? })
    }

    /// `[N, in, H, W]` to `[N, out, H', W']`, or the same with depth.
    ///
    /// # Errors
    /// As [`Conv::forward`] and [`BatchNorm::forward`].
    pub fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context, After::Nothing)?.into()),
            Activation::Traced(x) => {
                let task = context.rows.first_task();
                self.conv.trace(x, self.fold(task, context)?, self.depends_on_task().then_some(task))
            }
        }
    }

    /// `ReLU` of [`Self::forward`].
    ///
    /// # Errors
    /// As [`Self::forward`].
    pub fn forward_relu(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context, After::Relu)?.into()),
            Activation::Traced(_) => relu(self.forward(x, context)?, context),
        }
    }

    /// `ReLU` of the sum of [`Self::forward`] and another activation.
    ///
    /// # Errors
    /// As [`Self::forward`] and [`Activation::add`].
    pub fn forward_add_relu(
        &self,
        x: &Activation,
        added: &Activation,
        context: &Context<'_>,
    ) -> Result<Activation, ModelError> {
        match (x, added) {
            (Activation::Tensor(x), Activation::Tensor(added)) => {
                Ok(self.compute(x, context, After::AddRelu(added))?.into())
            }
            _ => relu(self.forward(x, context)?.add_(added)?, context),
        }
    }

    fn compute(&self, x: &Tensor, context: &Context<'_>, after: After<'_>) -> Result<Tensor, ModelError> {
        let Some(prepared) = context.prepared else {
            return self.norm.compute(&self.conv.compute(x, context)?, context, after);
        };
        let folded = |rows: &Tensor, key: usize, task: usize| -> Result<Tensor, ModelError> {
            self.conv.apply_prepared(rows, prepared, key, context, || self.fold(task, context))
        };
        let y = if self.depends_on_task() {
            per_segment(x, context.rows.segments(), |rows, segment| folded(rows, segment.task, segment.task))
        } else {
            folded(x, usize::MAX, 0)
        }?;
        context.keep_level(&y, self.conv.stride())?;
        after.apply(y, context)
    }

    fn depends_on_task(&self) -> bool {
        self.conv.has_adapters() || self.norm.depends_on_task()
    }

    fn fold(&self, task: usize, context: &Context<'_>) -> Result<WeightAndBias, ModelError> {
        let (weight, bias) = self.conv.masters(task)?;
        let (scale, shift) = self.norm.line(task)?;
        let mut column = vec![1; weight.dim()];
        column[0] = -1;
        let weight = weight.f_mul(&scale.f_view(column.as_slice())?)?;
        let bias = match bias {
            Some(bias) => shift.f_addcmul(&bias, &scale)?,
            None => shift,
        };
        let kind = self.conv.weight_kind(context);
        Ok((weight.f_to_kind(kind)?, Some(bias.f_to_kind(kind)?)))
    }
}
