//! Convolutions, pools and norms.

use super::{check_floats, refuse};
use crate::graph::{float, int, ints};
use crate::shape::{fixed, known, show};
use crate::{Dim, GraphBuilder, OnnxError, Value};

/// How a window slides over space, axis by axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Sides of the window.
    pub kernel: Vec<usize>,
    /// Steps.
    pub strides: Vec<usize>,
    /// Values around the input, the same before and after: zeros for convolutions, none that counts for pools.
    pub pads: Vec<usize>,
}

impl Window {
    /// The same along each of `axes` axes.
    pub fn cube(axes: usize, kernel: usize, stride: usize, pad: usize) -> Self {
        Self { kernel: vec![kernel; axes], strides: vec![stride; axes], pads: vec![pad; axes] }
    }

    /// Sides of the output.
    fn slide(&self, operator: &'static str, space: &[Dim]) -> Result<Vec<Dim>, OnnxError> {
        let Self { kernel, strides, pads } = self;
        let fits = [kernel.len(), strides.len(), pads.len()] == [space.len(); 3];
        if !fits || kernel.contains(&0) || strides.contains(&0) {
            return Err(refuse(operator, format!("{self:?} does not slide over sides {}", show(space))));
        }
        (0..space.len())
            .map(|axis| {
                let side = known(operator, space[axis])? + 2 * pads[axis];
                let last = side.checked_sub(kernel[axis]).ok_or_else(|| {
                    refuse(
                        operator,
                        format!("a window of {kernel:?} is larger than sides {} with {pads:?}", show(space)),
                    )
                })?;
                Ok(Dim::Fixed(last / strides[axis] + 1))
            })
            .collect()
    }

    fn attributes(&self) -> Vec<crate::proto::AttributeProto> {
        let pads: Vec<usize> = [self.pads.as_slice(), self.pads.as_slice()].concat();
        vec![ints("kernel_shape", &self.kernel), ints("strides", &self.strides), ints("pads", &pads)]
    }
}

/// Batch, channels and space of `[N, C, ..]`.
fn parts<'a>(operator: &'static str, x: &'a Value) -> Result<(Dim, usize, &'a [Dim]), OnnxError> {
    match x.shape() {
        [batch, channels, space @ ..] if !space.is_empty() => Ok((*batch, known(operator, *channels)?, space)),
        shape => Err(refuse(operator, format!("it takes [N, C, ..], and got {}", show(shape)))),
    }
}

impl GraphBuilder {
    /// A convolution of `[N, in, ..]` with `weight` `[out, in / groups, ..]` and `bias` `[out]`; the window's kernel is the
    /// weight's.
    ///
    /// # Errors
    /// [`OnnxError::Operator`] for shapes that do not go together; [`OnnxError::Foreign`].
    pub fn conv(
        &mut self,
        x: &Value,
        weight: &Value,
        bias: Option<&Value>,
        strides: &[usize],
        pads: &[usize],
        groups: usize,
    ) -> Result<Value, OnnxError> {
        let inputs: Vec<&Value> = [x, weight].into_iter().chain(bias).collect();
        check_floats("Conv", &inputs)?;
        let (batch, channels, space) = parts("Conv", x)?;
        let (outputs, inner, kernel) = parts("Conv", weight)?;
        let outputs = known("Conv", outputs)?;
        let biases = bias.is_none_or(|bias| bias.shape() == [Dim::Fixed(outputs)]);
        if groups == 0 || inner * groups != channels || outputs % groups != 0 || !biases {
            let problem = format!(
                "{} with weight {} in {groups} groups, bias {}",
                show(x.shape()),
                show(weight.shape()),
                bias.map_or_else(|| "none".to_owned(), |bias| show(bias.shape()))
            );
            return Err(refuse("Conv", problem));
        }
        let kernel = kernel.iter().map(|&side| known("Conv", side)).collect::<Result<_, _>>()?;
        let window = Window { kernel, strides: strides.to_vec(), pads: pads.to_vec() };
        let mut shape = vec![batch, Dim::Fixed(outputs)];
        shape.extend(window.slide("Conv", space)?);
        let mut attributes = window.attributes();
        attributes.push(int("group", groups as i64));
        let inputs: Vec<Option<&Value>> = inputs.into_iter().map(Some).collect();
        self.node("Conv", &inputs, attributes, x.dtype(), shape)
    }

    /// The largest value of each window.
    ///
    /// # Errors
    /// As [`Self::conv`].
    pub fn max_pool(&mut self, x: &Value, window: &Window) -> Result<Value, OnnxError> {
        self.pool("MaxPool", x, window)
    }

    /// The mean of each window.
    ///
    /// # Errors
    /// As [`Self::conv`].
    pub fn average_pool(&mut self, x: &Value, window: &Window) -> Result<Value, OnnxError> {
        self.pool("AveragePool", x, window)
    }

    fn pool(&mut self, operator: &'static str, x: &Value, window: &Window) -> Result<Value, OnnxError> {
        check_floats(operator, &[x])?;
        let (batch, channels, space) = parts(operator, x)?;
        let mut shape = vec![batch, Dim::Fixed(channels)];
        shape.extend(window.slide(operator, space)?);
        self.node(operator, &[Some(x)], window.attributes(), x.dtype(), shape)
    }

    /// The mean over space: `[N, C, ..]` to `[N, C, 1, ..]`.
    ///
    /// # Errors
    /// As [`Self::conv`].
    pub fn global_average_pool(&mut self, x: &Value) -> Result<Value, OnnxError> {
        self.global_pool("GlobalAveragePool", x)
    }

    /// The largest value over space: `[N, C, ..]` to `[N, C, 1, ..]`.
    ///
    /// # Errors
    /// As [`Self::conv`].
    pub fn global_max_pool(&mut self, x: &Value) -> Result<Value, OnnxError> {
        self.global_pool("GlobalMaxPool", x)
    }

    fn global_pool(&mut self, operator: &'static str, x: &Value) -> Result<Value, OnnxError> {
        check_floats(operator, &[x])?;
        let (batch, channels, space) = parts(operator, x)?;
        let mut shape = vec![batch, Dim::Fixed(channels)];
        shape.extend(vec![Dim::Fixed(1); space.len()]);
        self.node(operator, &[Some(x)], Vec::new(), x.dtype(), shape)
    }

    /// `(x - mean) / sqrt(variance + epsilon) * scale + shift`, with one of each per channel of `[N, C, ..]`.
    ///
    /// # Errors
    /// As [`Self::conv`].
    pub fn batch_normalization(
        &mut self,
        x: &Value,
        [scale, shift, mean, variance]: [&Value; 4],
        epsilon: f32,
    ) -> Result<Value, OnnxError> {
        check_floats("BatchNormalization", &[x, scale, shift, mean, variance])?;
        let (_, channels, _) = parts("BatchNormalization", x)?;
        for parameter in [scale, shift, mean, variance] {
            check_parameter("BatchNormalization", parameter, channels)?;
        }
        let inputs = [Some(x), Some(scale), Some(shift), Some(mean), Some(variance)];
        let attributes = vec![float("epsilon", epsilon)];
        self.node("BatchNormalization", &inputs, attributes, x.dtype(), x.shape().to_vec())
    }

    /// Normalised over the last axis, then times `scale`, plus `shift`.
    ///
    /// # Errors
    /// As [`Self::conv`].
    pub fn layer_normalization(
        &mut self,
        x: &Value,
        scale: &Value,
        shift: &Value,
        epsilon: f32,
    ) -> Result<Value, OnnxError> {
        check_floats("LayerNormalization", &[x, scale, shift])?;
        let Some(&last) = x.shape().last() else {
            return Err(refuse("LayerNormalization", "it needs an axis".into()));
        };
        let channels = known("LayerNormalization", last)?;
        for parameter in [scale, shift] {
            check_parameter("LayerNormalization", parameter, channels)?;
        }
        let attributes = vec![int("axis", -1), float("epsilon", epsilon)];
        let inputs = [Some(x), Some(scale), Some(shift)];
        self.node("LayerNormalization", &inputs, attributes, x.dtype(), x.shape().to_vec())
    }
}

fn check_parameter(operator: &'static str, parameter: &Value, channels: usize) -> Result<(), OnnxError> {
    if parameter.shape() == fixed(&[channels]) {
        return Ok(());
    }
    Err(refuse(
        operator,
        format!("`{}` is {}, and there are {channels} channels", parameter.name(), show(parameter.shape())),
    ))
}
