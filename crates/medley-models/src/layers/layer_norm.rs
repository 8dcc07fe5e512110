use tch::{Device, Tensor};

use super::film::Film;
use crate::init::Init;
use crate::trace::Traced;
use crate::{Activation, Context, ModelError, Scope};

const EPSILON: f64 = 1e-6;

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
    /// [`ModelError::Torch`]; [`ModelError::Onnx`] when a graph is written.
    pub fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context)?.into()),
            Activation::Traced(x) => self.trace(x, context.rows.first_task()),
        }
    }

    /// As a node of a graph; what a task's embedding does is multiplied into its weight and bias.
    fn trace(&self, x: &Traced, task: usize) -> Result<Activation, ModelError> {
        let names = x.layer(&self.weight, self.film.is_some().then_some(task));
        let (weight, bias) = match &self.film {
            None => (self.weight.shallow_clone(), self.bias.shallow_clone()),
            Some(film) => {
                let (scales, shifts) = film.tables()?;
                let (scale, shift) = (scales.f_select(0, task as i64)?, shifts.f_select(0, task as i64)?);
                (self.weight.f_mul(&scale)?, shift.f_addcmul(&self.bias, &scale)?)
            }
        };
        let weight = x.constant(&names.part("weight"), &weight)?;
        let bias = x.constant(&names.part("bias"), &bias)?;
        x.then(|graph, x| graph.layer_normalization(x, &weight, &bias, EPSILON as f32))
    }

    fn compute(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        if let Some(recorder) = context.recorder {
            recorder.keep(x);
        }
        // On CPUs libtorch takes fp32 parameters with bfloat16 activations; elsewhere both must be of one dtype.
        let kind = if x.device() == Device::Cpu { self.weight.kind() } else { x.kind() };
        let (weight, bias) = (self.weight.f_to_kind(kind)?, self.bias.f_to_kind(kind)?);
        let y = x.f_layer_norm([weight.size()[0]], Some(&weight), Some(&bias), EPSILON, true)?;
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
