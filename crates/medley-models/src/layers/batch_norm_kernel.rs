//! Batch normalisation in training by the kernels of `medley-kernels`, with the sum and the `ReLU` that follow it.

use medley_kernels::{Affine, BatchNorm, bf16};
use tch::{Device, Kind, TchError, Tensor};

use super::After;
use super::slices::{Dtype, is_channels_last, numbers, numbers_mut, refused, takes_channels};
use crate::scope::in_layout;
use crate::{MemoryLayout, ModelError, environment};

/// The tensors of a layer, `[C]` f32 each.
pub(super) struct Parameters<'a> {
    pub(super) weight: &'a Tensor,
    pub(super) bias: &'a Tensor,
    pub(super) running_mean: &'a Tensor,
    pub(super) running_variance: &'a Tensor,
    pub(super) epsilon: f64,
    pub(super) momentum: f64,
}

/// Whether the kernels take such images, channels last and in multiples of sixteen, and what is added to them.
pub(super) fn takes(x: &Tensor, after: After<'_>) -> bool {
    let is_known = matches!(x.kind(), Kind::Float | Kind::BFloat16) && x.device() == Device::Cpu;
    let is_alike = after.added().is_none_or(|added| added.size() == x.size());
    is_known && is_alike && is_channels_last(x) && takes_channels(x) && x.numel() > 0
}

/// `[N, C, H, W]`, or with depth, to the same shape and dtype, normalised by its own statistics, with its backward pass. The running statistics are updated.
pub(super) fn normalise(x: &Tensor, parameters: &Parameters<'_>, after: After<'_>) -> Result<Tensor, ModelError> {
    match x.kind() {
        Kind::BFloat16 => normalise_as::<bf16>(x, parameters, after),
        _ => normalise_as::<f32>(x, parameters, after),
    }
}

fn normalise_as<N: Dtype>(x: &Tensor, parameters: &Parameters<'_>, after: After<'_>) -> Result<Tensor, ModelError> {
    let &Parameters { weight, bias, epsilon, .. } = parameters;
    let (layer, is_rectified) = (geometry(x), after.is_rectified());
    let added = after.added().map(|added| alike(added, x)).transpose()?;
    let (y, affine) = tch::no_grad(|| -> Result<(Tensor, Affine), TchError> {
        let statistics = layer.statistics::<N>(numbers(x)?).map_err(refused)?;
        update(parameters, &statistics.mean, &statistics.variance, layer.pixels)?;
        let affine = statistics.affine(numbers(weight)?, numbers(bias)?, epsilon).map_err(refused)?;
        let mut y = x.f_empty_like()?;
        let added = added.as_ref().map(numbers::<N>).transpose()?;
        layer.forward(numbers(x)?, &affine, added, is_rectified, numbers_mut(&mut y)?).map_err(refused)?;
        Ok((y, affine))
    })?;
    let inputs: Vec<&Tensor> = [x, weight, bias].into_iter().chain(added.as_ref()).collect();
    // Of a sum, the output says what was above zero.
    let output = added.as_ref().map(|_| y.f_detach()).transpose()?;
    let saved: Vec<&Tensor> = std::iter::once(x).chain(output.as_ref()).collect();
    Ok(medley_autograd::attach(y, &inputs, &saved, move |gradient, saved, wanted| {
        let gradient = match saved.get(1) {
            Some(output) => output.f_threshold_backward(&gradient, 0.0)?,
            None => gradient,
        };
        let (x, gradient) = (&saved[0], alike(&gradient, &saved[0])?);
        let mut dx = x.f_empty_like()?;
        let rectified = saved.len() == 1 && is_rectified;
        let own = layer.backward::<N>(numbers(&gradient)?, numbers(x)?, &affine, rectified, numbers_mut(&mut dx)?);
        let [weight, bias] = own.map_err(refused)?.map(|values| Tensor::f_from_slice(&values));
        let mut gradients = vec![wanted[0].then_some(dx), wanted[1].then_some(weight?), wanted[2].then_some(bias?)];
        if let Some(&wanted) = wanted.get(3) {
            gradients.push(wanted.then_some(gradient));
        }
        Ok(gradients)
    })?)
}

/// Moves the running statistics towards those of a batch, whose variance is that of a sample.
fn update(parameters: &Parameters<'_>, mean: &[f64], variance: &[f64], pixels: usize) -> Result<(), TchError> {
    let count = pixels as f64;
    for (running, values, factor) in
        [(parameters.running_mean, mean, 1.0), (parameters.running_variance, variance, count / (count - 1.0).max(1.0))]
    {
        let values: Vec<f32> = values.iter().map(|value| (value * factor) as f32).collect();
        let _ = running.shallow_clone().f_lerp_(&Tensor::f_from_slice(&values)?, parameters.momentum)?;
    }
    Ok(())
}

fn geometry(x: &Tensor) -> BatchNorm {
    let channels = x.size()[1] as usize;
    BatchNorm { pixels: x.numel() / channels, channels, threads: environment::threads() }
}

/// With channels last and of the dtype of `x`.
fn alike(tensor: &Tensor, x: &Tensor) -> Result<Tensor, TchError> {
    in_layout(&tensor.f_to_kind(x.kind())?, MemoryLayout::ChannelsLast)
}

#[cfg(test)]
mod tests {
    use super::super::passes::noise;
    use super::*;

    /// The output, the gradients of input, sum, weight and bias, and the running statistics.
    fn results(
        shape: &[i64],
        kind: Kind,
        after: &str,
        normalise: impl Fn(&Tensor, &Parameters<'_>, After<'_>) -> Tensor,
    ) -> Vec<Tensor> {
        let image = |seed: i64| {
            let uneven = (noise(shape, seed) * 43758.5453).frac();
            let image = in_layout(&uneven, MemoryLayout::ChannelsLast).unwrap();
            // Numbers that bfloat16 has.
            image.to_kind(Kind::BFloat16).to_kind(Kind::Float).set_requires_grad(true)
        };
        let (x, added) = (image(1), image(2));
        let [weight, bias] = [3, 4].map(|seed| noise(&[32], seed).set_requires_grad(true));
        let [running_mean, running_variance] = [noise(&[32], 5), noise(&[32], 6).abs()];
        let parameters = Parameters {
            weight: &weight,
            bias: &bias,
            running_mean: &running_mean,
            running_variance: &running_variance,
            epsilon: 1e-5,
            momentum: 0.1,
        };
        let sum = added.to_kind(kind);
        let after = match after {
            "nothing" => After::Nothing,
            "relu" => After::Relu,
            _ => After::AddRelu(&sum),
        };
        let y = normalise(&x.to_kind(kind), &parameters, after);
        (&y.to_kind(Kind::Float) * noise(shape, 7)).sum(Kind::Float).backward();
        let leaves = [x, added, weight, bias].map(|leaf| leaf.grad());
        let gradients = leaves.into_iter().filter(Tensor::defined);
        std::iter::once(y.detach()).chain(gradients).chain([running_mean, running_variance]).collect()
    }

    fn by_libtorch(x: &Tensor, parameters: &Parameters<'_>, after: After<'_>) -> Tensor {
        let &Parameters { weight, bias, running_mean, running_variance, epsilon, momentum } = parameters;
        let (mean, variance) = (Some(running_mean), Some(running_variance));
        let y = x.batch_norm(Some(weight), Some(bias), mean, variance, true, momentum, epsilon, true);
        let y = after.added().map_or(y.shallow_clone(), |added| &y + added);
        if after.is_rectified() { y.relu() } else { y }
    }

    /// Images and volumes, and what follows the normalisation.
    fn cases() -> impl Iterator<Item = (&'static [i64], &'static str)> {
        let shapes: [&[i64]; 2] = [&[3, 32, 5, 4], &[2, 32, 3, 5, 4]];
        shapes.into_iter().flat_map(|shape| ["nothing", "relu", "sum"].map(|after| (shape, after)))
    }

    #[test]
    fn outputs_gradients_and_statistics_are_those_of_libtorch() {
        for (shape, after) in cases() {
            let ours = results(shape, Kind::Float, after, |x, p, after| normalise(x, p, after).unwrap());
            let theirs = results(shape, Kind::Float, after, by_libtorch);
            assert_eq!(ours.len(), if after == "sum" { 7 } else { 6 });
            assert_eq!(ours.len(), theirs.len());
            for (place, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                assert!(ours.allclose(theirs, 1e-4, 1e-4, false), "{after}, result {place}");
            }
        }
    }

    #[test]
    fn in_bfloat16_errors_are_those_of_libtorch() {
        for (shape, after) in cases() {
            let exact = results(shape, Kind::Float, after, by_libtorch);
            let ours = results(shape, Kind::BFloat16, after, |x, p, after| normalise(x, p, after).unwrap());
            let theirs = results(shape, Kind::BFloat16, after, by_libtorch);
            assert_eq!(ours[0].kind(), Kind::BFloat16);
            for ((ours, theirs), exact) in ours.iter().zip(&theirs).zip(&exact) {
                let error = |found: &Tensor| (found.to_kind(Kind::Float) - exact).norm().double_value(&[]);
                let (ours, theirs) = (error(ours), error(theirs));
                assert!(ours <= 1.5 * theirs + 1e-4, "{after}: {ours} and {theirs}, {:?}", exact.size());
            }
        }
    }

    #[test]
    fn other_images_are_left_to_libtorch() {
        let last = |shape: [i64; 4]| in_layout(&noise(&shape, 1), MemoryLayout::ChannelsLast).unwrap();
        let x = last([2, 16, 3, 4]);
        let takes = |x: &Tensor| takes(x, After::Nothing);
        assert!(takes(&x));
        assert!(!takes(&last([2, 12, 3, 4])) && !takes(&last([0, 16, 3, 4])));
        assert!(!takes(&noise(&[2, 16, 3, 4], 1)), "contiguous");
        assert!(!takes(&x.to_kind(Kind::Double)));
        assert!(super::takes(&x, After::AddRelu(&last([2, 16, 3, 4]))));
        assert!(!super::takes(&x, After::AddRelu(&last([2, 16, 4, 3]))), "as many numbers of another shape");
    }
}
