use crate::KernelError;
use crate::error::{check_channels, check_length};
use crate::number::Number;
use crate::shared::with_scratch;
use crate::weights::{KERNEL, Kernel, Side};

/// A convolution of 3x3, stride 1, a border of one zero: `[N, H, W, inputs]` to `[N, H, W, outputs]`, both f32 or both bf16.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// N
    pub images: usize,
    /// H
    pub height: usize,
    /// W
    pub width: usize,
    /// Channels of the input, a multiple of sixteen.
    pub inputs: usize,
    /// Channels of the output, a multiple of sixteen.
    pub outputs: usize,
    /// Cores to use. The result does not depend on it.
    pub threads: usize,
}

/// A weight in the basis in which the products are computed, for layers whose weight stays as it is.
#[derive(Debug, Clone)]
pub struct TransformedKernel<N: Number> {
    numbers: Vec<N::Transformed>,
    inputs: usize,
    outputs: usize,
}

impl<N: Number> TransformedKernel<N> {
    /// Transforms a weight `[outputs, inputs, 3, 3]`.
    ///
    /// # Errors
    /// [`KernelError`] when it has not so many numbers, or the channels are not multiples of sixteen.
    pub fn new(w: Kernel<'_>, inputs: usize, outputs: usize) -> Result<Self, KernelError> {
        let layer = Convolution { images: 0, height: 0, width: 0, inputs, outputs, threads: 1 };
        layer.check::<f32>(&[], &[], w.weight)?;
        let mut numbers = vec![N::Transformed::default(); N::transformed_len(outputs, inputs)];
        N::transform(&w.forward(inputs, outputs), 1, &mut numbers);
        Ok(Self { numbers, inputs, outputs })
    }
}

impl Convolution {
    /// `y = x * w + bias`, with a bias of `[outputs]`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn forward<N: Number>(
        &self,
        x: &[N],
        w: Kernel<'_>,
        bias: Option<&[f32]>,
        y: &mut [N],
    ) -> Result<(), KernelError> {
        self.check(x, y, w.weight)?;
        self.check_bias(bias)?;
        self.convolve(&w.forward(self.inputs, self.outputs), x, bias, y);
        Ok(())
    }

    /// As [`Self::forward`], to the same bits, with a weight that was transformed before.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit, or the weight is of another layer.
    pub fn forward_transformed<N: Number>(
        &self,
        x: &[N],
        w: &TransformedKernel<N>,
        bias: Option<&[f32]>,
        y: &mut [N],
    ) -> Result<(), KernelError> {
        self.check_pixels(x, y)?;
        check_length("the input channels of the weight", w.inputs, self.inputs)?;
        check_length("the output channels of the weight", w.outputs, self.outputs)?;
        self.check_bias(bias)?;
        N::products(self, &w.numbers, [self.inputs, self.outputs], x, bias, y);
        Ok(())
    }

    /// The gradient of `x` from that of `y`.
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn input_gradient<N: Number>(&self, dy: &[N], w: Kernel<'_>, dx: &mut [N]) -> Result<(), KernelError> {
        self.check(dx, dy, w.weight)?;
        self.convolve(&w.backward(self.inputs, self.outputs), dy, None, dx);
        Ok(())
    }

    /// The gradient of `w` from that of `y`, `[outputs, 3, 3, inputs]`, the order of [`Kernel::channels_last`].
    ///
    /// # Errors
    /// [`KernelError`] when slices do not fit.
    pub fn weight_gradient<N: Number>(&self, x: &[N], dy: &[N], dw: &mut [f32]) -> Result<(), KernelError> {
        self.check(x, dy, dw)?;
        if x.is_empty() {
            dw.fill(0.0);
            return Ok(());
        }
        N::weight_gradient(self, x, dy, dw);
        Ok(())
    }

    /// `y = x * w + bias`, with the channels that are summed over and those that come out as the weight's axes have them.
    fn convolve<N: Number>(&self, side: &Side<'_>, x: &[N], bias: Option<&[f32]>, y: &mut [N]) {
        with_scratch(N::transformed_len(side.lanes, side.depth), |kernel| {
            N::transform(side, self.threads, kernel);
            N::products(self, kernel, [side.depth, side.lanes], x, bias, y);
        });
    }

    /// Whether there are kernels for so many channels.
    pub fn takes(inputs: usize, outputs: usize) -> bool {
        check_channels("an input", inputs).and_then(|()| check_channels("an output", outputs)).is_ok()
    }

    fn check<N>(&self, x: &[N], y: &[N], w: &[f32]) -> Result<(), KernelError> {
        self.check_pixels(x, y)?;
        check_length("the weight", w.len(), self.inputs * self.outputs * KERNEL * KERNEL)
    }

    fn check_bias(&self, bias: Option<&[f32]>) -> Result<(), KernelError> {
        bias.map_or(Ok(()), |bias| check_length("bias", bias.len(), self.outputs))
    }

    fn check_pixels<N>(&self, x: &[N], y: &[N]) -> Result<(), KernelError> {
        for (what, channels) in [("an input", self.inputs), ("an output", self.outputs)] {
            check_channels(what, channels)?;
        }
        let pixels = self.images * self.height * self.width;
        check_length("the input", x.len(), pixels * self.inputs)?;
        check_length("the output", y.len(), pixels * self.outputs)
    }
}
