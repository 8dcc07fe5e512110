//! 3x3 convolutions by the kernels of `medley-kernels`, in place of libtorch's: of images in fp32 or bf16, with weights in fp32.

use std::marker::PhantomData;

use medley_kernels::{Convolution, TransformedKernel, bf16};
use tch::{Kind, TchError, Tensor};

use super::own_conv::{Gradients, with_backward};
use super::slices::{Dtype, channels_last, kernel, kernel_order, numbers, numbers_mut, refused};
use crate::scope::in_layout;
use crate::{MemoryLayout, ModelError, environment};

/// `[N, in, H, W]` to `[N, out, H, W]` of the same dtype, with channels last, with its backward pass. Weight and bias are fp32.
pub(crate) fn convolve(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
    match x.kind() {
        Kind::BFloat16 => convolve_as::<bf16>(x, weight, bias),
        _ => convolve_as::<f32>(x, weight, bias),
    }
}

fn convolve_as<N: Dtype>(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor, ModelError> {
    let x = in_layout(x, MemoryLayout::ChannelsLast)?;
    let layer = geometry(&x, weight)?;
    let bias = bias.map(Tensor::f_contiguous).transpose()?;
    let y = tch::no_grad(|| -> Result<Tensor, TchError> {
        let mut y = pixels::<N>(layer, layer.outputs)?;
        let weight = kernel_order(weight)?;
        let bias = bias.as_ref().map(numbers).transpose()?;
        let to = numbers_mut::<N>(&mut y)?;
        layer.forward(numbers(&x)?, kernel(&weight)?, bias, to).map_err(refused)?;
        Ok(y)
    })?;
    Ok(with_backward(y, [&x, weight], bias.as_ref(), Layer::<N>(layer, PhantomData))?)
}

/// A layer of images of these numbers.
struct Layer<N>(Convolution, PhantomData<N>);

impl<N: Dtype> Gradients for Layer<N> {
    fn of_input(&self, _: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        let weight = kernel_order(weight)?;
        let mut result = pixels::<N>(self.0, self.0.inputs)?;
        let (kernel, to) = (kernel(&weight)?, numbers_mut::<N>(&mut result)?);
        self.0.input_gradient(numbers(gradient)?, kernel, to).map_err(refused)?;
        Ok(result)
    }

    fn of_weight(&self, x: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        let mut result = channels_last::<f32>(&weight.size())?;
        self.0.weight_gradient::<N>(numbers(x)?, numbers(gradient)?, numbers_mut(&mut result)?).map_err(refused)?;
        Ok(result)
    }
}

/// A weight in the basis of the products, for [`convolve_transformed`].
#[derive(Debug)]
pub(crate) enum Transformed {
    Fp32(TransformedKernel<f32>),
    Bf16(TransformedKernel<bf16>),
}

impl Transformed {
    /// For images of this dtype.
    pub(super) fn new(weight: &Tensor, kind: Kind) -> Result<Self, ModelError> {
        let weight = kernel_order(weight)?;
        let (outputs, inputs) = (weight.size()[0] as usize, weight.size()[1] as usize);
        let kernel = kernel(&weight)?;
        let transformed = match kind {
            Kind::BFloat16 => TransformedKernel::new(kernel, inputs, outputs).map(Self::Bf16),
            _ => TransformedKernel::new(kernel, inputs, outputs).map(Self::Fp32),
        };
        Ok(transformed.map_err(refused)?)
    }
}

/// As [`convolve`] to the same bits, without a backward pass.
pub(super) fn convolve_transformed(
    x: &Tensor,
    weight: &Tensor,
    kernel: &Transformed,
    bias: Option<&Tensor>,
) -> Result<Tensor, ModelError> {
    match kernel {
        Transformed::Fp32(kernel) => convolve_kept(x, weight, kernel, bias),
        Transformed::Bf16(kernel) => convolve_kept(x, weight, kernel, bias),
    }
}

fn convolve_kept<N: Dtype>(
    x: &Tensor,
    weight: &Tensor,
    kernel: &TransformedKernel<N>,
    bias: Option<&Tensor>,
) -> Result<Tensor, ModelError> {
    let x = in_layout(x, MemoryLayout::ChannelsLast)?;
    let layer = geometry(&x, weight)?;
    let bias = bias.map(Tensor::f_contiguous).transpose()?;
    let bias = bias.as_ref().map(numbers).transpose()?;
    let mut y = pixels::<N>(layer, layer.outputs)?;
    layer.forward_transformed(numbers(&x)?, kernel, bias, numbers_mut(&mut y)?).map_err(refused)?;
    Ok(y)
}

fn geometry(x: &Tensor, weight: &Tensor) -> Result<Convolution, ModelError> {
    let (images, inputs, height, width) = x.size4()?;
    let outputs = weight.size()[0];
    let [images, inputs, height, width, outputs] = [images, inputs, height, width, outputs].map(|size| size as usize);
    Ok(Convolution { images, height, width, inputs, outputs, threads: environment::threads() })
}

/// `[N, C, H, W]` with channels last, to be filled.
fn pixels<N: Dtype>(layer: Convolution, channels: usize) -> Result<Tensor, TchError> {
    channels_last::<N>(&[layer.images, channels, layer.height, layer.width].map(|size| size as i64))
}

#[cfg(test)]
mod tests {
    use super::super::passes::{noise, passes};
    use super::*;

    fn close(ours: &Tensor, theirs: &Tensor) -> bool {
        let difference = (ours - theirs).norm().double_value(&[]);
        ours.size() == theirs.size() && difference <= 1e-5 * theirs.norm().double_value(&[])
    }

    #[test]
    fn a_weight_that_was_transformed_gives_the_same_bits() {
        let (x, weight, bias) = (noise(&[3, 16, 7, 6], 1), noise(&[32, 16, 3, 3], 2), noise(&[32], 3));
        for kind in [Kind::Float, Kind::BFloat16] {
            let (x, kernel) = (x.to_kind(kind), Transformed::new(&weight, kind).unwrap());
            for bias in [None, Some(&bias)] {
                let kept = convolve_transformed(&x, &weight, &kernel, bias).unwrap();
                assert_eq!(kept, convolve(&x, &weight, bias).unwrap());
            }
        }
    }

    #[test]
    fn outputs_and_gradients_are_those_of_libtorch() {
        let (x, weight, shift) = (noise(&[3, 16, 9, 6], 1), noise(&[32, 16, 3, 3], 2), noise(&[32], 3));
        let last = |tensor: &Tensor| in_layout(tensor, MemoryLayout::ChannelsLast).unwrap();
        for (x, weight) in [(last(&x), weight.copy()), (x.copy(), last(&weight)), (last(&x), last(&weight))] {
            for asked in 0..8_i64 {
                for (place, leaf) in [&x, &weight, &shift].iter().enumerate() {
                    let _ = leaf.set_requires_grad(asked >> place & 1 == 1);
                }
                for bias in [false, true] {
                    let ours = passes(|x, w, b| convolve(x, w, b).unwrap(), [&x, &weight, &shift], bias);
                    let theirs = passes(|x, w, b| x.conv2d(w, b, 1, 1, 1, 1), [&x, &weight, &shift], bias);
                    assert_eq!(ours.len(), theirs.len(), "asked {asked:03b}, bias {bias}");
                    for (ours, theirs) in ours.iter().zip(&theirs) {
                        assert!(close(ours, theirs), "asked {asked:03b}, bias {bias}, {:?}", ours.size());
                    }
                }
            }
        }
    }

    #[test]
    fn in_bfloat16_errors_are_a_few_times_those_of_libtorch() {
        // A sine alone nearly cancels in the sums, which leaves the rounding.
        let uneven = |shape: &[i64], seed: i64| (noise(shape, seed) * 43758.5453).frac();
        let leaves = [uneven(&[3, 16, 9, 6], 1), uneven(&[32, 16, 3, 3], 2), uneven(&[32], 3)];
        // Numbers that bfloat16 has, so that what differs is the sums.
        let leaves = leaves.map(|leaf| leaf.to_kind(Kind::BFloat16).to_kind(Kind::Float).set_requires_grad(true));
        let plain = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| x.conv2d(w, b, 1, 1, 1, 1);
        let half = |tensor: &Tensor| tensor.to_kind(Kind::BFloat16);
        let leaves = leaves.each_ref();
        let exact = passes(plain, leaves, true);
        let ours = passes(|x, w, b| convolve(&half(x), w, b).unwrap(), leaves, true);
        let theirs = passes(|x, w, b| plain(&half(x), &half(w), b.map(half).as_ref()), leaves, true);
        assert_eq!((ours.len(), ours[0].kind()), (4, Kind::BFloat16));
        for ((ours, theirs), exact) in ours.iter().zip(&theirs).zip(&exact) {
            let error = |found: &Tensor| (found.to_kind(Kind::Float) - exact).norm().double_value(&[]);
            let (ours, theirs) = (error(ours), error(theirs));
            assert!(ours <= 4.0 * theirs, "{ours} and {theirs}, {:?}", exact.size());
        }
    }

    #[test]
    fn parts_of_a_batch_and_no_rows_are_taken() {
        let (x, weight) = (noise(&[4, 16, 5, 5], 1), noise(&[16, 16, 3, 3], 2));
        let part = x.narrow(0, 1, 2).transpose(2, 3);
        assert!(close(&convolve(&part, &weight, None).unwrap(), &part.conv2d(&weight, None::<Tensor>, 1, 1, 1, 1)));
        assert_eq!(convolve(&x.narrow(0, 0, 0), &weight, None).unwrap().size(), [0, 16, 5, 5]);
    }

    #[test]
    fn the_result_may_be_changed_in_place() {
        let (x, weight) = (noise(&[2, 16, 5, 5], 1), noise(&[16, 16, 3, 3], 2).set_requires_grad(true));
        let mut y = convolve(&x, &weight, None).unwrap();
        let y = y.f_add_(&x).unwrap();
        let loss = |y: &Tensor| (y * noise(&y.size(), 5)).sum(Kind::Float);
        let gradient = Tensor::run_backward(&[loss(&y)], &[&weight], false, false).remove(0);
        let plain = loss(&x.conv2d(&weight, None::<Tensor>, 1, 1, 1, 1));
        assert!(close(&gradient, &Tensor::run_backward(&[plain], &[&weight], false, false)[0]));
    }

    #[test]
    fn another_dtype_is_an_error() {
        let weight = noise(&[16, 16, 3, 3], 2);
        let error = convolve(&noise(&[1, 16, 4, 4], 1).to_kind(Kind::Double), &weight, None).unwrap_err().to_string();
        assert!(error.contains("Double"), "{error}");
    }
}
