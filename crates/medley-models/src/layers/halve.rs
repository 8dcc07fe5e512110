//! Max-pooling of 2x2 pixels and `ReLU` in one, by the kernels of `medley-kernels`.

use medley_kernels::{MaxPoolRelu, bf16};
use tch::{Device, Kind, TchError, Tensor};

use super::slices::{Dtype, channels_last, is_channels_last, numbers, numbers_mut, refused, takes_channels};
use crate::scope::in_layout;
use crate::{MemoryLayout, ModelError, environment};

/// `[N, C, H, W]` to `[N, C, H / 2, W / 2]`, of finite numbers to the bits of libtorch, with its backward pass; `None` where the kernels do not take the input.
pub(super) fn halve(x: &Tensor) -> Result<Option<Tensor>, ModelError> {
    if x.dim() != 4 || !is_channels_last(x) || !takes_channels(x) || x.device() != Device::Cpu {
        return Ok(None);
    }
    match x.kind() {
        Kind::Float => halve_as::<f32>(x).map(Some),
        Kind::BFloat16 => halve_as::<bf16>(x).map(Some),
        _ => Ok(None),
    }
}

fn halve_as<N: Dtype + Default>(x: &Tensor) -> Result<Tensor, ModelError> {
    let (images, channels, height, width) = x.size4()?;
    let layer = {
        let [images, height, width, channels] = [images, height, width, channels].map(|size| size as usize);
        MaxPoolRelu { images, height, width, channels, threads: environment::threads() }
    };
    let y = tch::no_grad(|| -> Result<Tensor, TchError> {
        let mut y = channels_last::<N>(&[images, channels, height / 2, width / 2])?;
        layer.forward(numbers::<N>(x)?, numbers_mut(&mut y)?).map_err(refused)?;
        Ok(y)
    })?;
    Ok(medley_autograd::attach(y, &[x], &[x], move |gradient, saved, _| {
        let (x, gradient) = (&saved[0], in_layout(&gradient, MemoryLayout::ChannelsLast)?);
        let mut dx = x.f_empty_like()?;
        layer.backward(numbers::<N>(&gradient)?, numbers(x)?, numbers_mut(&mut dx)?).map_err(refused)?;
        Ok(vec![Some(dx)])
    })?)
}

#[cfg(test)]
mod tests {
    use super::super::passes::noise;
    use super::*;

    #[test]
    fn halves_and_gradients_are_those_of_libtorch_to_the_bit() {
        for (height, width) in [(7, 6), (2, 2), (5, 5)] {
            for kind in [Kind::Float, Kind::BFloat16] {
                let [ours, theirs] = [true, false].map(|by_kernels| {
                    // In bfloat16 many of four pixels are alike.
                    let x = (noise(&[3, 32, height, width], 1) * 8.0).round() / 8.0;
                    let x = in_layout(&x.to_kind(kind), MemoryLayout::ChannelsLast).unwrap().set_requires_grad(true);
                    let y = if by_kernels {
                        halve(&x).unwrap().unwrap()
                    } else {
                        x.max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false).relu()
                    };
                    (&y * noise(&y.size(), 5).to_kind(kind)).sum(Kind::Float).backward();
                    (y.detach(), x.grad())
                });
                assert_eq!(ours.0.size(), [3, 32, height / 2, width / 2]);
                assert_eq!(ours, theirs);
            }
        }
        assert!(halve(&noise(&[3, 20, 4, 4], 1)).unwrap().is_none());
    }

    #[test]
    fn a_row_that_has_no_partner_is_left_out() {
        let x = in_layout(&noise(&[3, 32, 1, 4], 1), MemoryLayout::ChannelsLast).unwrap().set_requires_grad(true);
        let y = halve(&x).unwrap().unwrap();
        assert_eq!(y.size(), [3, 32, 0, 2]);
        y.sum(Kind::Float).backward();
        assert_eq!(x.grad().abs().sum(Kind::Float).double_value(&[]), 0.0);
    }
}
