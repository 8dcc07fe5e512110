//! Convolutions by libtorch, kept from what goes wrong in its backward pass.

use tch::{Device, Kind, TchError, Tensor};

/// `torch.nn.functional.conv2d` or `conv3d`, by the number of axes that are padded.
pub(super) fn convolve(
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    mut stride: i64,
    padding: &[i64],
    groups: i64,
) -> Result<Tensor, TchError> {
    let (mut x, mut padding) = (x.shallow_clone(), padding.to_vec());
    if stride > 1 && is_narrow_pointwise(weight) && padding.iter().all(|&side| side == 0) {
        for axis in 2..x.dim() as i64 {
            x = x.f_slice(axis, None, None, stride)?;
        }
        stride = 1;
    }
    if x.kind() == Kind::BFloat16 && x.device() == Device::Cpu && may_have_stale_gradient(weight, &x) {
        let sides: Vec<i64> = padding.iter().rev().flat_map(|&side| [side, side]).collect();
        x = x.f_constant_pad_nd(sides.as_slice())?;
        padding.fill(0);
    }
    if padding.len() == 2 {
        x.f_conv2d(weight, bias, [stride; 2], padding, [1; 2], groups)
    } else {
        x.f_conv3d(weight, bias, [stride; 3], padding, [1; 3], groups)
    }
}

/// Whether the kernel of a convolution is one pixel, of few input channels. With a stride and channels last, the backward pass of
/// libtorch 2.11 writes beyond its memory then, on processors with AVX2; `torch.nn.functional.conv2d` crashes the same way. Such
/// layers are given every `stride`-th pixel instead, which is the same.
fn is_narrow_pointwise(weight: &Tensor) -> bool {
    let shape = weight.size();
    shape[1] < 8 && shape[2..].iter().all(|&side| side == 1)
}

/// Whether a gradient is wanted of a kernel that has a side longer than the image's. libtorch 2.11 leaves parts of it in bfloat16 as memory
/// happens to be then (so does PyTorch, seen on a processor with AVX-512; its fp32 is right). Zeros around the image, as numbers, prevent it.
fn may_have_stale_gradient(weight: &Tensor, x: &Tensor) -> bool {
    weight.requires_grad() && weight.size()[2..].iter().zip(&x.size()[2..]).any(|(kernel, side)| kernel > side)
}

#[cfg(test)]
mod tests {
    use super::super::passes::noise;
    use super::*;

    /// With 4 channels and a stride, libtorch's own backward pass corrupts the heap: a test of it would end this process.
    #[test]
    fn narrow_pointwise_convolutions_with_a_stride_are_those_of_every_other_pixel() {
        let x = noise(&[3, 4, 9, 9], 1);
        let last = x.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]).set_requires_grad(true);
        let weight = noise(&[8, 4, 1, 1], 2).set_requires_grad(true);
        let expected = Tensor::einsum(
            "nchw,oc->nohw",
            &[x.slice(2, None, None, 2).slice(3, None, None, 2), weight.detach().view([8, 4])],
            None::<&[i64]>,
        );
        for _ in 0..20 {
            let y = convolve(&last, &weight, None, 2, &[0, 0], 1).unwrap();
            assert!(y.allclose(&expected, 1e-5, 1e-5, false));
            let gradients = Tensor::run_backward(&[y.sum(Kind::Float)], &[&last, &weight], false, false);
            let sums = weight.detach().sum_dim_intlist([0_i64].as_slice(), false, Kind::Float).view([1, 4, 1, 1]);
            assert!(gradients[0].slice(2, None, None, 2).slice(3, None, None, 2).allclose(
                &sums.expand([3, 4, 5, 5], false),
                1e-5,
                1e-5,
                false
            ));
            assert_eq!(gradients[0].slice(2, 1, None, 2).abs().max().double_value(&[]), 0.0);
        }
    }

    #[test]
    fn gradients_of_kernels_larger_than_the_image_do_not_depend_on_what_lay_in_memory() {
        for (image, kernel, stride, groups) in [
            (&[1_i64, 1][..], &[3_i64, 3][..], 2, 1),
            (&[4, 1], &[7, 7], 1, 32),
            (&[2, 2, 2], &[3, 3, 3], 1, 1),
            (&[2, 2, 2], &[3, 1, 3], 1, 1),
        ] {
            let x = noise(&[&[9, 32], image].concat(), 1);
            let master = noise(&[&[32, 32 / groups], kernel].concat(), 2).set_requires_grad(true);
            let padding: Vec<i64> = kernel.iter().map(|side| side / 2).collect();
            let gradient = |kind: Kind| {
                let weight = master.to_kind(kind);
                let y = convolve(&x.to_kind(kind), &weight, None, stride, &padding, groups).unwrap();
                let loss = y.to_kind(Kind::Float).square().sum(Kind::Float);
                // Memory that is free then, full of no numbers.
                let nothing = |len: i64| Tensor::full([len], f64::NAN, (Kind::Float, Device::Cpu));
                drop([500, 5_000, 20_000, 50_000, 300_000].map(nothing));
                Tensor::run_backward(&[loss], &[&master], false, false).remove(0)
            };
            let exact = gradient(Kind::Float);
            for _ in 0..5 {
                let error = (gradient(Kind::BFloat16) - &exact).norm().double_value(&[]);
                assert!(error <= 0.02 * exact.norm().double_value(&[]), "{image:?}, {kernel:?}: {error}");
            }
        }
    }
}
