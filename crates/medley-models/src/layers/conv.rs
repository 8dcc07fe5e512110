use tch::{Kind, Tensor};

use super::direct;
use super::im2col::{self, Window};
use super::libtorch_conv;
use super::slices::takes_weight;
use super::space::{Plane, Space, VolumeConvolution, planes};
use super::winograd::{self, Transformed};
use crate::context::{Prepared, WeightAndBias, per_segment};
use crate::init::Init;
use crate::scope::Part;
use crate::trace::Traced;
use crate::{Activation, Context, Convolutions, ModelError, Scope};

/// Geometry of a [`Conv`]; the default is flat, 3x3, stride 1, padding 1, no bias, one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConvOptions {
    /// Side of the kernel.
    pub kernel: i64,
    /// Step along every axis.
    pub stride: i64,
    /// Zeros around the input along the axes of the kernel.
    pub padding: i64,
    /// Groups of channels that do not mix.
    pub groups: i64,
    /// Whether a bias is added.
    pub bias: bool,
    /// Distribution of the initial weight, with a bias of zero; `None` is PyTorch's default for both.
    pub init: Option<Init>,
    /// Flat or over volumes.
    pub space: Space,
}

impl Default for ConvOptions {
    fn default() -> Self {
        Self { kernel: 3, stride: 1, padding: 1, groups: 1, bias: false, init: None, space: Space::Flat }
    }
}

impl ConvOptions {
    /// A kernel of odd side with the padding that keeps the size.
    pub fn same(kernel: i64, stride: i64) -> Self {
        Self { kernel, padding: (kernel - 1) / 2, stride, ..Self::default() }
    }

    /// Number of weights that end in one output channel's worth of positions: `out * k * k`, PyTorch's fan-out.
    pub fn fan_out(&self, output: i64) -> i64 {
        output * self.space.kernel(self.kernel).iter().product::<i64>()
    }
}

/// `torch.nn.Conv2d`, `torch.nn.Conv3d` or one of the volume forms: weight `[out, in / groups, k, k]` or with three sides.
///
/// With residual adapters (Rebuffi et al., *Efficient parametrization of multi-domain deep neural networks*, 2018, the
/// parallel form), each task adds a 1x1 convolution of its own to every larger one: `conv(x) + adapter(x)`. They start at
/// zero.
#[derive(Debug)]
pub struct Conv {
    layer: u64,
    weight: Tensor,
    bias: Option<Tensor>,
    /// One per task, or none.
    adapters: Vec<Tensor>,
    options: ConvOptions,
}

impl Conv {
    /// Registers `weight` and, if asked for, `bias` and `adapters.TASK.weight`.
    ///
    /// # Errors
    /// As [`Scope::parameter`].
    pub fn new(scope: &Scope, input: i64, output: i64, options: ConvOptions) -> Result<Self, ModelError> {
        let ConvOptions { kernel, groups, padding, space, .. } = options;
        let sides = space.kernel(kernel);
        let fan_in = input / groups * sides.iter().product::<i64>();
        let shape = |sides: &[i64]| [&[output, input / groups], sides].concat();
        let weight = scope.parameter("weight", &shape(&sides), options.init.unwrap_or(Init::torch_default(fan_in)))?;
        let bias_init = options.init.map_or(Init::torch_default(fan_in), |_| Init::Constant(0.0));
        let bias = options.bias.then(|| scope.parameter("bias", &[output], bias_init)).transpose()?;
        let adaptable = scope.adapters() && groups == 1 && kernel > 1 && 2 * padding + 1 == kernel;
        let scopes = if adaptable { scope.enter("adapters").per_task(Part::Adapters) } else { Vec::new() };
        let adapters = scopes
            .iter()
            .map(|scope| scope.parameter("weight", &shape(&vec![1; sides.len()]), Init::Constant(0.0)))
            .collect::<Result<_, _>>()?;
        let conv = Self { layer: scope.next_layer(), weight, bias, adapters, options };
        if conv.suits_winograd() {
            scope.note_own_kernels(|kernels| kernels.winograd += 1);
        } else if space != Space::Flat && conv.suits_direct() {
            scope.note_own_kernels(|kernels| kernels.volumes += 1);
        }
        Ok(conv)
    }

    /// `[N, in, H, W]` to `[N, out, H', W']`, or the same with depth.
    ///
    /// # Errors
    /// [`ModelError::Torch`] when shapes do not fit or memory runs out; [`ModelError::Onnx`] when a graph is written.
    pub fn forward(&self, x: &Activation, context: &Context<'_>) -> Result<Activation, ModelError> {
        match x {
            Activation::Tensor(x) => Ok(self.compute(x, context)?.into()),
            Activation::Traced(x) => {
                let task = context.rows.first_task();
                self.trace(x, self.masters(task)?, self.has_adapters().then_some(task))
            }
        }
    }

    pub(super) fn compute(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let y = match context.prepared {
            _ if context.recorder.is_some() => self.outline(x)?,
            Some(prepared) if self.adapters.is_empty() => {
                self.apply_prepared(x, prepared, usize::MAX, context, || self.merged(0, context))?
            }
            Some(prepared) => per_segment(x, context.rows.segments(), |rows, segment| {
                let task = segment.task;
                self.apply_prepared(rows, prepared, task, context, || self.merged(task, context))
            })?,
            None => self.adapted(x, context)?,
        };
        self.record(x, &y, context);
        context.keep_level(&y, self.options.stride)?;
        Ok(y)
    }

    /// Zeros of the output's shape: the work of a network is counted without being done.
    fn outline(&self, x: &Tensor) -> Result<Tensor, ModelError> {
        let ConvOptions { kernel, stride, padding, space, .. } = self.options;
        let mut shape = x.size();
        shape[1] = self.weight.size()[0];
        for (axis, side) in shape.iter_mut().enumerate().skip(2) {
            let flat = axis == 2 && space == Space::Volume(VolumeConvolution::Slices);
            let (kernel, padding) = if flat { (1, 0) } else { (kernel, padding) };
            *side = (*side + 2 * padding - kernel) / stride + 1;
        }
        Ok(Tensor::f_zeros(shape.as_slice(), (x.kind(), x.device()))?)
    }

    /// With the fp32 masters, cast here.
    fn adapted(&self, x: &Tensor, context: &Context<'_>) -> Result<Tensor, ModelError> {
        let kind = self.weight_kind(context);
        let bias = self.bias.as_ref().map(|bias| bias.f_to_kind(kind)).transpose()?;
        let y = self.apply(x, &self.weight.f_to_kind(kind)?, bias.as_ref(), context)?;
        if self.adapters.is_empty() {
            return Ok(y);
        }
        let own = per_segment(x, context.rows.segments(), |rows, segment| {
            self.apply_adapter(rows, &self.adapters[segment.task].f_to_kind(context.kind)?)
        })?;
        Ok(y.f_add(&own)?)
    }

    /// The weight of one task, its adapter added in the middle of the kernel, and the bias, in the dtype of [`Self::weight_kind`].
    fn merged(&self, task: usize, context: &Context<'_>) -> Result<WeightAndBias, ModelError> {
        let (weight, bias) = self.masters(task)?;
        let kind = self.weight_kind(context);
        Ok((weight.f_to_kind(kind)?, bias.map(|bias| bias.f_to_kind(kind)).transpose()?))
    }

    /// The dtype in which what computes this layer takes its weight: that of the activations, or fp32, where it is rounded after a transform.
    pub(super) fn weight_kind(&self, context: &Context<'_>) -> Kind {
        if self.uses_winograd(context) || self.may_use_direct(context) { Kind::Float } else { context.kind }
    }

    /// As [`Self::merged`], fp32.
    pub(super) fn masters(&self, task: usize) -> Result<WeightAndBias, ModelError> {
        let mut weight = self.weight.f_detach()?;
        if let Some(adapter) = self.adapters.get(task) {
            let pads: Vec<i64> =
                weight.size()[2..].iter().rev().flat_map(|side| [(side - 1) / 2, (side - 1) / 2]).collect();
            weight = weight.f_add(&adapter.f_detach()?.f_constant_pad_nd(pads.as_slice())?)?;
        }
        Ok((weight, self.bias.as_ref().map(Tensor::f_detach).transpose()?))
    }

    pub(super) fn has_adapters(&self) -> bool {
        !self.adapters.is_empty()
    }

    /// The convolution alone, with weights that are made once, in the form in which they are used.
    pub(super) fn apply_prepared(
        &self,
        x: &Tensor,
        prepared: &Prepared,
        task: usize,
        context: &Context<'_>,
        make: impl FnOnce() -> Result<WeightAndBias, ModelError>,
    ) -> Result<Tensor, ModelError> {
        let (weight, bias) = prepared.get(self.layer, task, make)?;
        if !self.uses_winograd(context) {
            return self.apply(x, &weight, bias.as_ref(), context);
        }
        let kernel = prepared.transformed(self.layer, task, || Transformed::new(&weight, context.kind))?;
        winograd::convolve_transformed(x, &weight, &kernel, bias.as_ref())
    }

    /// The convolution alone, with these weights.
    fn apply(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        context: &Context<'_>,
    ) -> Result<Tensor, ModelError> {
        let ConvOptions { padding: p, space, .. } = self.options;
        match space {
            _ if self.uses_direct(x, context) => self.convolve_directly(x, weight, bias),
            Space::Flat if self.uses_winograd(context) => winograd::convolve(x, weight, bias),
            Space::Flat if self.uses_im2col(x, context) => im2col::convolve(x, weight, bias, self.window()),
            Space::Flat => self.convolve(x, weight, bias, &[p, p]),
            Space::Volume(VolumeConvolution::Full) => self.convolve(x, weight, bias, &[p, p, p]),
            Space::Volume(VolumeConvolution::Slices) => self.convolve(x, weight, bias, &[0, p, p]),
            Space::Volume(VolumeConvolution::Acs) => self.convolve_planes(x, weight, bias, p),
        }
    }

    fn uses_winograd(&self, context: &Context<'_>) -> bool {
        context.convolutions == Convolutions::Winograd && self.suits_winograd()
    }

    /// Whether direct kernels compute this layer in training where Winograd's algorithm does not.
    fn may_use_direct(&self, context: &Context<'_>) -> bool {
        let is_asked = context.train && context.convolutions == Convolutions::Winograd;
        is_asked && context.kind == Kind::BFloat16 && self.suits_direct()
    }

    /// Whether they compute this layer for this input. Winograd's tiles of 2x2 are larger than the smallest images.
    fn uses_direct(&self, x: &Tensor, context: &Context<'_>) -> bool {
        let is_small = || x.size()[2..].iter().all(|&side| side <= SMALL);
        self.may_use_direct(context) && (!self.suits_winograd() || is_small())
    }

    fn convolve_directly(&self, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
        let ConvOptions { kernel, stride, padding, space, .. } = self.options;
        direct::convolve(x, weight, bias, space.filters(weight.size()[0], kernel, padding), stride)
    }

    fn uses_im2col(&self, x: &Tensor, context: &Context<'_>) -> bool {
        let is_asked = context.train && context.convolutions == Convolutions::Im2col;
        is_asked && self.options.groups == 1 && im2col::suits(x, self.window())
    }

    fn window(&self) -> Window {
        let ConvOptions { kernel, stride, padding, .. } = self.options;
        Window { kernel: [kernel; 2], stride, padding: [padding; 2] }
    }

    /// Whether Winograd's algorithm can compute this layer.
    fn suits_winograd(&self) -> bool {
        let ConvOptions { kernel, stride, padding, groups, space, .. } = self.options;
        (kernel, stride, padding, groups, space) == (3, 1, 1, 1, Space::Flat) && takes_weight(&self.weight)
    }

    /// Whether direct kernels are the ones for this layer. A filter of one pixel is a product in libtorch, without a stride, and libtorch
    /// is faster where sixteen channels are all there are, unless most of their filters lack a tap.
    fn suits_direct(&self) -> bool {
        let ConvOptions { kernel, stride, groups, space, .. } = self.options;
        let is_acs = space == Space::Volume(VolumeConvolution::Acs);
        let is_narrow = self.weight.size()[..2].contains(&16) && stride == 1;
        groups == 1 && (kernel, stride) != (1, 1) && takes_weight(&self.weight) && (is_acs || !is_narrow)
    }

    fn apply_adapter(&self, x: &Tensor, weight: &Tensor) -> Result<Tensor, ModelError> {
        match self.options.space {
            Space::Flat => self.convolve(x, weight, None, &[0, 0]),
            Space::Volume(VolumeConvolution::Acs) => self.convolve_planes(x, weight, None, 0),
            Space::Volume(_) => self.convolve(x, weight, None, &[0, 0, 0]),
        }
    }

    fn convolve(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        padding: &[i64],
    ) -> Result<Tensor, ModelError> {
        let ConvOptions { stride, groups, .. } = self.options;
        Ok(libtorch_conv::convolve(x, weight, bias, stride, padding, groups)?)
    }

    fn convolve_planes(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: Option<&Tensor>,
        p: i64,
    ) -> Result<Tensor, ModelError> {
        let planes = planes(weight, p)?;
        let planes = planes.iter().map(|plane| self.convolve(x, &plane.weight, None, &plane.padding));
        let y = Tensor::f_cat(&planes.collect::<Result<Vec<_>, _>>()?, 1)?;
        Ok(match bias {
            Some(bias) => y.f_add(&bias.f_view([1, -1, 1, 1, 1])?)?,
            None => y,
        })
    }

    /// The convolution with these weights as nodes of a graph. They are named after the layer, and after the task if they are of
    /// one alone.
    pub(super) fn trace(
        &self,
        x: &Traced,
        (weight, bias): WeightAndBias,
        task: Option<usize>,
    ) -> Result<Activation, ModelError> {
        let names = x.layer(&self.weight, task);
        let p = self.options.padding;
        let (weight, pads) = match self.options.space {
            Space::Flat => (weight, vec![p, p]),
            Space::Volume(VolumeConvolution::Full) => (weight, vec![p, p, p]),
            Space::Volume(VolumeConvolution::Slices) => (weight, vec![0, p, p]),
            // A pixel lies in every plane.
            Space::Volume(VolumeConvolution::Acs) if self.options.kernel == 1 => {
                (weight.f_unsqueeze(2)?, vec![0, 0, 0])
            }
            Space::Volume(VolumeConvolution::Acs) => {
                let convolve = |(index, plane): (usize, Plane)| {
                    let name = |part: &str| names.part(&format!("plane{index}.{part}"));
                    let bias = bias.as_ref().map(|bias| bias.f_narrow(0, plane.start, plane.len)).transpose()?;
                    self.node(x, (name("weight"), &plane.weight), (name("bias"), bias.as_ref()), &plane.padding)
                };
                let planes = planes(&weight, p)?.into_iter().enumerate().map(convolve);
                return Activation::concat(&planes.collect::<Result<Vec<_>, _>>()?);
            }
        };
        self.node(x, (names.part("weight"), &weight), (names.part("bias"), bias.as_ref()), &pads)
    }

    fn node(
        &self,
        x: &Traced,
        weight: (String, &Tensor),
        bias: (String, Option<&Tensor>),
        pads: &[i64],
    ) -> Result<Activation, ModelError> {
        let weight = x.constant(&weight.0, weight.1)?;
        let bias = bias.1.map(|tensor| x.constant(&bias.0, tensor)).transpose()?;
        let pads: Vec<usize> = pads.iter().map(|&pad| pad as usize).collect();
        let strides = vec![self.options.stride as usize; pads.len()];
        x.then(|graph, x| graph.conv(x, &weight, bias.as_ref(), &strides, &pads, self.options.groups as usize))
    }

    /// Step along every axis.
    pub(super) fn stride(&self) -> i64 {
        self.options.stride
    }

    pub(super) fn record(&self, x: &Tensor, y: &Tensor, context: &Context<'_>) {
        if let Some(recorder) = context.recorder {
            let inputs = self.weight.size()[1..].iter().product::<i64>();
            let adapter = if self.has_adapters() { self.weight.size()[1] } else { 0 };
            recorder.product(y, inputs + adapter);
            recorder.window(x, y, self.options.kernel, self.options.stride);
        }
    }
}

/// The longest side of images whose 3x3 convolutions take fewer products as they are written than by tiles of 2x2: 49 and 64 on 3x3 pixels,
/// 100 and 64 on 4x4.
const SMALL: i64 = 3;

#[cfg(test)]
mod tests {
    use super::super::passes::noise;
    use super::*;
    use crate::context::Rows;
    use crate::scope::Filling;
    use crate::{BuildOptions, NetConfig, Segment};
    use tch::Device;

    /// A layer of these channels, and a context of a batch of two.
    fn layer([input, output]: [i64; 2], options: ConvOptions, adapters: bool) -> Conv {
        let config = NetConfig { adapters, ..NetConfig::default() };
        let scope = Scope::root(&config, vec!["a".into()], &BuildOptions::default(), Filling::Initialised).unwrap();
        Conv::new(&scope, input, output, options).unwrap()
    }

    fn with_context<T>(train: bool, kind: Kind, convolutions: Convolutions, f: impl FnOnce(&Context<'_>) -> T) -> T {
        let rows = Rows::new(&[Segment { task: 0, start: 0, len: 2 }], vec![0, 1], Device::Cpu).unwrap();
        f(&Context { convolutions, ..Context::new(train, kind, &rows, 0) })
    }

    #[test]
    fn direct_kernels_compute_what_winograds_algorithm_does_not_in_training_and_bf16() {
        let image = |side: i64| noise(&[2, 32, side, side], 1).to_kind(Kind::BFloat16);
        let uses = |channels, options, side, train, kind, convolutions| {
            let conv = layer(channels, options, false);
            with_context(train, kind, convolutions, |context| conv.uses_direct(&image(side), context))
        };
        let (strided, square) = (ConvOptions::same(3, 2), ConvOptions::same(3, 1));
        let in_training =
            |channels, options, side| uses(channels, options, side, true, Kind::BFloat16, Convolutions::Winograd);
        for (channels, options, side, expected) in [
            ([32, 48], strided, 7, true),
            ([32, 48], square, 3, true),
            ([32, 48], square, 4, false),
            ([32, 16], square, 3, false),
            ([32, 16], strided, 7, true),
            ([32, 24], strided, 7, false),
            ([32, 48], ConvOptions { padding: 0, ..ConvOptions::same(1, 1) }, 7, false),
            ([32, 48], ConvOptions { padding: 0, ..ConvOptions::same(1, 2) }, 7, true),
            ([32, 32], ConvOptions { groups: 2, ..strided }, 7, false),
        ] {
            assert_eq!(in_training(channels, options, side), expected, "{channels:?}, {options:?}, {side}");
        }
        let elsewhere = [
            (false, Kind::BFloat16, Convolutions::Winograd),
            (true, Kind::Float, Convolutions::Winograd),
            (true, Kind::BFloat16, Convolutions::Libtorch),
        ];
        for (train, kind, convolutions) in elsewhere {
            assert!(!uses([32, 48], strided, 7, train, kind, convolutions), "{train}, {kind:?}, {convolutions}");
        }
    }

    #[test]
    fn a_layer_gives_the_bits_of_the_direct_kernels_and_adds_its_adapter() {
        for adapters in [false, true] {
            let conv = layer([32, 48], ConvOptions::same(3, 2), adapters);
            if adapters {
                let _ = tch::no_grad(|| conv.adapters[0].shallow_clone().fill_(0.5));
            }
            let x = noise(&[2, 32, 6, 5], 1).to_kind(Kind::BFloat16);
            let y = with_context(true, Kind::BFloat16, Convolutions::Winograd, |context| {
                conv.compute(&x, context).unwrap()
            });
            let mut expected = direct::convolve(&x, &conv.weight, None, Space::Flat.filters(48, 3, 1), 2).unwrap();
            if let Some(adapter) = conv.adapters.first() {
                expected += x.conv2d(&adapter.to_kind(Kind::BFloat16), None::<Tensor>, 2, 0, 1, 1);
            }
            assert_eq!(y, expected);
        }
    }

    /// A 3x3 convolution over volumes of shape `[2, 4, 7, 7, 7]` to 5 channels, and its input.
    fn conv(form: VolumeConvolution, stride: i64) -> (Conv, Tensor) {
        let options = ConvOptions { space: Space::Volume(form), bias: true, ..ConvOptions::same(3, stride) };
        (
            layer([4, 5], options, false),
            Tensor::arange(2 * 4 * 343, (Kind::Float, Device::Cpu)).sin().view([2, 4, 7, 7, 7]),
        )
    }

    fn forward(conv: &Conv, x: &Tensor) -> Tensor {
        let rows = Rows::new(&[Segment { task: 0, start: 0, len: 2 }], vec![0, 1], Device::Cpu).unwrap();
        let _guard = tch::no_grad_guard();
        conv.compute(x, &Context::new(false, Kind::Float, &rows, 0)).unwrap()
    }

    #[test]
    fn volume_forms_have_one_shape() {
        for form in [VolumeConvolution::Full, VolumeConvolution::Slices, VolumeConvolution::Acs] {
            for (stride, side) in [(1, 7), (2, 4)] {
                let (conv, x) = conv(form, stride);
                assert_eq!(forward(&conv, &x).size(), [2, 5, side, side, side], "{form:?}");
                assert_eq!(conv.outline(&x).unwrap().size(), [2, 5, side, side, side], "{form:?}");
            }
        }
    }

    #[test]
    fn slices_are_the_flat_convolution_of_each_slice() {
        let (conv, x) = conv(VolumeConvolution::Slices, 1);
        let slice = x.select(2, 3).conv2d(&conv.weight.squeeze_dim(2), conv.bias.as_ref(), 1, 1, 1, 1);
        assert!(forward(&conv, &x).select(2, 3).allclose(&slice, 1e-5, 1e-5, false));
    }

    #[test]
    fn acs_is_the_flat_convolution_in_each_plane() {
        let (conv, x) = conv(VolumeConvolution::Acs, 1);
        let y = forward(&conv, &x);
        let flat = |axis: i64, first: i64, len: i64| {
            let bias = conv.bias.as_ref().map(|bias| bias.narrow(0, first, len));
            x.select(axis, 3).conv2d(&conv.weight.narrow(0, first, len), bias, 1, 1, 1, 1)
        };
        // 5 = 2 + 2 + 1 filters.
        for (axis, first, len) in [(2, 0, 2), (3, 2, 2), (4, 4, 1)] {
            let plane = y.narrow(1, first, len).select(axis, 3);
            assert!(plane.allclose(&flat(axis, first, len), 1e-5, 1e-5, false), "axis {axis}");
        }
    }
}
