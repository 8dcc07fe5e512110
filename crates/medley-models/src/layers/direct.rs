//! Convolutions with strides and of volumes by the direct kernels of `medley-kernels`, in place of libtorch's: of images in bf16, with
//! weights in fp32.

use medley_kernels::{DirectConvolution, Filters, Geometry, bf16};
use tch::{TchError, Tensor};

use super::own_conv::{Gradients, with_backward};
use super::slices::{channels_last, kernel, kernel_order, numbers, numbers_mut, refused};
use crate::scope::in_layout;
use crate::{MemoryLayout, ModelError, environment};

/// `[N, in, H, W]` to `[N, out, H', W']`, or the same with depth, in bf16 with channels last, with its backward pass. The weight has the
/// filters one after another, each with as many taps; weight and bias are fp32.
pub(super) fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    filters: Vec<Filters>,
    stride: i64,
) -> Result<Tensor, ModelError> {
    let x = in_layout(x, MemoryLayout::ChannelsLast)?;
    let layer = geometry(&x, filters, stride)?;
    let bias = bias.map(Tensor::f_contiguous).transpose()?;
    let y = tch::no_grad(|| -> Result<Tensor, TchError> {
        let mut shape = x.size();
        shape[1] = weight.size()[0];
        let axes = shape.len() - 2;
        for (side, &size) in shape[2..].iter_mut().zip(&layer.output_size()[3 - axes..]) {
            *side = size as i64;
        }
        let mut y = channels_last::<bf16>(&shape)?;
        let weight = kernel_order(weight)?;
        let bias = bias.as_ref().map(numbers).transpose()?;
        layer.forward(numbers(&x)?, kernel(&weight)?, bias, numbers_mut(&mut y)?).map_err(refused)?;
        Ok(y)
    })?;
    Ok(with_backward(y, [&x, weight], bias.as_ref(), layer)?)
}

impl Gradients for DirectConvolution {
    fn of_input(&self, x: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        let weight = kernel_order(weight)?;
        let mut result = channels_last::<bf16>(&x.size())?;
        self.input_gradient(numbers(gradient)?, kernel(&weight)?, numbers_mut(&mut result)?).map_err(refused)?;
        Ok(result)
    }

    fn of_weight(&self, x: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor, TchError> {
        let mut result = channels_last::<f32>(&weight.size())?;
        self.weight_gradient(numbers(x)?, numbers(gradient)?, numbers_mut(&mut result)?).map_err(refused)?;
        Ok(result)
    }
}

fn geometry(x: &Tensor, filters: Vec<Filters>, stride: i64) -> Result<DirectConvolution, ModelError> {
    let shape: Vec<usize> = x.size().into_iter().map(|side| side as usize).collect();
    let size = match *shape.as_slice() {
        [_, _, height, width] => [1, height, width],
        [_, _, depth, height, width] => [depth, height, width],
        _ => return Err(TchError::Shape(format!("images or volumes are convolved, and got {shape:?}")).into()),
    };
    let threads = environment::threads();
    let geometry = Geometry { images: shape[0], size, inputs: shape[1], filters, stride: stride as usize, threads };
    Ok(DirectConvolution::new(geometry).map_err(refused)?)
}

#[cfg(test)]
mod tests {
    use super::super::passes::{noise, passes};
    use super::super::{Space, VolumeConvolution};
    use super::*;
    use tch::Kind;

    /// A sine alone nearly cancels in the sums, which leaves the rounding. Numbers that bfloat16 has, so that what differs is the sums.
    fn uneven(shape: &[i64], seed: i64) -> Tensor {
        let uneven = (noise(shape, seed) * 43758.5453).frac();
        uneven.to_kind(Kind::BFloat16).to_kind(Kind::Float).set_requires_grad(true)
    }

    fn half(tensor: &Tensor) -> Tensor {
        tensor.to_kind(Kind::BFloat16)
    }

    /// Whether the output and gradients of a layer with a bias are in bfloat16 as near to `plain` in fp32 as those of `plain` in bfloat16 are.
    fn agrees(
        x: &[i64],
        weight: &[i64],
        ours: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor,
        plain: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor,
    ) {
        let leaves = [uneven(x, 1), uneven(weight, 2), uneven(&weight[..1], 3)];
        let leaves = leaves.each_ref();
        let exact = passes(&plain, leaves, true);
        let theirs = passes(|x, w, b| plain(&half(x), &half(w), b.map(half).as_ref()), leaves, true);
        let ours = passes(ours, leaves, true);
        assert_eq!((ours.len(), ours[0].kind()), (4, Kind::BFloat16));
        for ((ours, theirs), exact) in ours.iter().zip(&theirs).zip(&exact) {
            let error = |found: &Tensor| (found.to_kind(Kind::Float) - exact).norm().double_value(&[]);
            let (ours_off, theirs_off) = (error(ours), error(theirs));
            assert_eq!(ours.size(), exact.size());
            assert!(ours_off <= 1.2 * theirs_off, "{ours_off} and {theirs_off}, {:?}", exact.size());
        }
    }

    #[test]
    fn outputs_and_gradients_of_images_are_those_of_libtorch() {
        for (kernel, stride) in [(3, 2), (1, 2), (3, 1), (5, 3)] {
            let padding = kernel / 2;
            let filters = || Space::Flat.filters(32, kernel, padding);
            let ours =
                |x: &Tensor, w: &Tensor, b: Option<&Tensor>| convolve(&half(x), w, b, filters(), stride).unwrap();
            let plain = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| x.conv2d(w, b, stride, padding, 1, 1);
            agrees(&[3, 16, 9, 6], &[32, 16, kernel, kernel], ours, plain);
        }
    }

    #[test]
    fn outputs_and_gradients_of_volumes_are_those_of_libtorch() {
        for stride in [1, 2] {
            for (form, sides, padding) in [
                (VolumeConvolution::Full, [3_i64, 3, 3], [1_i64, 1, 1]),
                (VolumeConvolution::Slices, [1, 3, 3], [0, 1, 1]),
            ] {
                let filters = || Space::Volume(form).filters(16, 3, 1);
                let ours =
                    |x: &Tensor, w: &Tensor, b: Option<&Tensor>| convolve(&half(x), w, b, filters(), stride).unwrap();
                let plain = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| {
                    x.f_conv3d(w, b, [stride; 3], padding, [1, 1, 1], 1).unwrap()
                };
                agrees(&[2, 16, 5, 4, 6], &[&[16, 16], &sides[..]].concat(), ours, plain);
            }
        }
    }

    #[test]
    fn only_what_asks_for_a_gradient_gets_one() {
        let (x, weight, shift) = (uneven(&[3, 16, 5, 6], 1), uneven(&[32, 16, 3, 3], 2), uneven(&[32], 3));
        let last = in_layout(&weight.detach(), MemoryLayout::ChannelsLast).unwrap();
        for weight in [&weight, &last] {
            for asked in 0..8_i64 {
                for (place, leaf) in [&x, weight, &shift].iter().enumerate() {
                    let _ = leaf.set_requires_grad(asked >> place & 1 == 1);
                }
                for bias in [false, true] {
                    let of = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| {
                        convolve(&half(x), w, b, Space::Flat.filters(32, 3, 1), 2).unwrap()
                    };
                    let plain = |x: &Tensor, w: &Tensor, b: Option<&Tensor>| x.conv2d(w, b, 2, 1, 1, 1);
                    let (ours, theirs) =
                        (passes(of, [&x, weight, &shift], bias), passes(plain, [&x, weight, &shift], bias));
                    assert_eq!(ours.len(), theirs.len(), "asked {asked:03b}, bias {bias}");
                    for (ours, theirs) in ours.iter().zip(&theirs) {
                        let error = (ours.to_kind(Kind::Float) - theirs).norm().double_value(&[]);
                        // The bias' gradient is a sum of what was rounded.
                        let most = if theirs.dim() == 1 { 0.1 } else { 6e-3 };
                        assert!(error <= most * theirs.norm().double_value(&[]), "asked {asked:03b}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn parts_of_a_batch_and_no_rows_are_taken() {
        let (x, weight) = (half(&uneven(&[4, 16, 5, 5], 1)), uneven(&[16, 16, 3, 3], 2));
        let of = |x: &Tensor| convolve(x, &weight, None, Space::Flat.filters(16, 3, 1), 2).unwrap();
        let part = x.narrow(0, 1, 2).transpose(2, 3);
        assert_eq!(of(&part), of(&part.contiguous()));
        assert_eq!(of(&x.narrow(0, 0, 0)).size(), [0, 16, 3, 3]);
    }

    #[test]
    fn what_the_kernels_do_not_take_is_an_error() {
        let refused = |x: &Tensor, filters: Vec<Filters>| {
            convolve(x, &noise(&[16, 16, 3, 3], 2), None, filters, 2).unwrap_err().to_string()
        };
        let filters = || Space::Flat.filters(16, 3, 1);
        assert!(refused(&noise(&[1, 16, 4, 4], 1), filters()).contains("Float"));
        assert!(refused(&half(&noise(&[1, 12, 4, 4], 1)), filters()).contains("12 channels"));
        assert!(refused(&half(&noise(&[1, 16, 1, 1], 1)), Space::Flat.filters(16, 3, 0)).contains("larger than"));
    }
}
