use tch::{Device, Tensor};

use super::film::Film;
use crate::init::Init;
use crate::{Context, ModelError, Scope};

/// `torch.nn.LayerNorm` over the last axis (Ba et al. 2016), with torchvision's and timm's epsilon of 1e-6.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
    film: Option<Film>,
}

impl LayerNorm {
    /// Registers `weight` and `bias`.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, channels: i64) -> Result<Self, ModelError> {
        Ok(Self {
            weight: scope.parameter("weight", &[channels], Init::Constant(1.0))?,
            bias: scope.parameter("bias", &[channels], Init::Constant(0.0))?,
            film: Film::new(scope, channels)?,
        })
    }

    /// `[N, .., C]` to the same shape.
    ///
    /// # Errors
    /// [`ModelError::Torch`].
    pub fn forward(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        if let Some(recorder) = context.recorder {
            recorder.keep(x);
        }
        // On CPUs libtorch takes fp32 parameters with bfloat16 activations; elsewhere both must be of one dtype.
        let kind = if x.device() == Device::Cpu { self.weight.kind() } else { x.kind() };
        let (weight, bias) = (self.weight.f_to_kind(kind)?, self.bias.f_to_kind(kind)?);
        let y = x.f_layer_norm([weight.size()[0]], Some(&weight), Some(&bias), 1e-6, true)?;
        let Some(film) = &self.film else { return Ok(y) };
        let mut shape = vec![1; x.dim()];
        (shape[0], shape[x.dim() - 1]) = (-1, weight.size()[0]);
        let lines = |table: &Tensor| -> Result<Tensor, ModelError> {
            Ok(context.rows.lines_of(table)?.f_view(shape.as_slice())?.f_to_kind(x.kind())?)
        };
        let (scales, shifts) = film.tables()?;
        Ok(lines(&shifts)?.f_addcmul(&y, &lines(&scales)?)?)
    }
}
