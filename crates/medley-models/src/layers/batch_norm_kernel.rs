//! Batch normalisation in training by the kernels of `medley-kernels`, with the sum and the `ReLU` that follow it.

use std::ops::Range;

use medley_kernels::{Affine, BatchNorm, bf16};
use tch::{Device, Kind, TchError, Tensor};

use super::After;
use super::slices::{Dtype, is_channels_last, numbers, numbers_mut, refused, takes_channels};
use crate::scope::in_layout;
use crate::{MemoryLayout, ModelError, environment};

/// Rows of a batch that are normalised together, and the tensors of a layer for them, `[C]` f32 each.
pub(super) struct Group<'a> {
    pub(super) rows: usize,
    pub(super) weight: Tensor,
    pub(super) bias: Tensor,
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

/// `[N, C, H, W]`, or with depth, to the same shape and dtype, with its backward pass. Groups of rows, which cover the batch, are each
/// normalised by their own statistics, where they lie. The running statistics are updated.
pub(super) fn normalise(x: &Tensor, groups: &[Group<'_>], after: After<'_>) -> Result<Tensor, ModelError> {
    match x.kind() {
        Kind::BFloat16 => normalise_as::<bf16>(x, groups, after),
        _ => normalise_as::<f32>(x, groups, after),
    }
}

fn normalise_as<N: Dtype>(x: &Tensor, groups: &[Group<'_>], after: After<'_>) -> Result<Tensor, ModelError> {
    let is_rectified = after.is_rectified();
    let added = after.added().map(|added| alike(added, x)).transpose()?;
    let (y, normalised) = tch::no_grad(|| forward::<N>(x, groups, added.as_ref(), is_rectified))?;
    let affine = groups.iter().flat_map(|group| [&group.weight, &group.bias]);
    let inputs: Vec<&Tensor> = std::iter::once(x).chain(affine).chain(added.as_ref()).collect();
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
        let mut gradients = Vec::new();
        for Normalised { numbers: at, layer, affine } in &normalised {
            let (dy, x) = (&numbers::<N>(&gradient)?[at.clone()], &numbers(x)?[at.clone()]);
            let own = layer.backward(dy, x, affine, rectified, &mut numbers_mut(&mut dx)?[at.clone()]);
            for values in own.map_err(refused)? {
                gradients.push(wanted[1 + gradients.len()].then(|| Tensor::f_from_slice(&values)).transpose()?);
            }
        }
        gradients.insert(0, wanted[0].then_some(dx));
        if let Some(&wanted) = wanted.get(gradients.len()) {
            gradients.push(wanted.then_some(gradient));
        }
        Ok(gradients)
    })?)
}

/// What the backward pass of a group needs.
struct Normalised {
    /// Where its numbers lie.
    numbers: Range<usize>,
    layer: BatchNorm,
    affine: Affine,
}

fn forward<N: Dtype>(
    x: &Tensor,
    groups: &[Group<'_>],
    added: Option<&Tensor>,
    is_rectified: bool,
) -> Result<(Tensor, Vec<Normalised>), TchError> {
    let (rows, channels) = (x.size()[0] as usize, x.size()[1] as usize);
    let row = x.numel() / rows;
    // What no group has would be whatever lay in memory.
    if groups.iter().map(|group| group.rows).sum::<usize>() != rows {
        return Err(TchError::Shape(format!("groups that do not have {rows} rows in all")));
    }
    let mut y = x.f_empty_like()?;
    let (from, to) = (numbers::<N>(x)?, numbers_mut(&mut y)?);
    let added = added.map(numbers::<N>).transpose()?;
    let mut first = 0;
    let mut of_group = |group: &Group<'_>| {
        let at = first..first + group.rows * row;
        first = at.end;
        let layer = BatchNorm { pixels: at.len() / channels, channels, threads: environment::threads() };
        let statistics = layer.statistics(&from[at.clone()]).map_err(refused)?;
        update(group, &statistics.mean, &statistics.variance, layer.pixels)?;
        let affine =
            statistics.affine(numbers(&group.weight)?, numbers(&group.bias)?, group.epsilon).map_err(refused)?;
        let added = added.map(|added| &added[at.clone()]);
        layer.forward(&from[at.clone()], &affine, added, is_rectified, &mut to[at.clone()]).map_err(refused)?;
        Ok(Normalised { numbers: at, layer, affine })
    };
    let normalised = groups.iter().map(&mut of_group).collect::<Result<_, TchError>>()?;
    Ok((y, normalised))
}

/// Moves the running statistics towards those of a batch, whose variance is that of a sample.
fn update(group: &Group<'_>, mean: &[f64], variance: &[f64], pixels: usize) -> Result<(), TchError> {
    let count = pixels as f64;
    for (running, values, factor) in
        [(group.running_mean, mean, 1.0), (group.running_variance, variance, count / (count - 1.0).max(1.0))]
    {
        let values: Vec<f32> = values.iter().map(|value| (value * factor) as f32).collect();
        let _ = running.shallow_clone().f_lerp_(&Tensor::f_from_slice(&values)?, group.momentum)?;
    }
    Ok(())
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
        normalise: impl Fn(&Tensor, &Group<'_>, After<'_>) -> Tensor,
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
        let parameters = Group {
            rows: shape[0] as usize,
            weight: weight.shallow_clone(),
            bias: bias.shallow_clone(),
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

    fn by_libtorch(x: &Tensor, parameters: &Group<'_>, after: After<'_>) -> Tensor {
        let Group { weight, bias, epsilon, momentum, .. } = parameters;
        let (mean, variance) = (Some(parameters.running_mean), Some(parameters.running_variance));
        let y = x.batch_norm(Some(weight), Some(bias), mean, variance, true, *momentum, *epsilon, true);
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
            let ours =
                results(shape, Kind::Float, after, |x, p, after| normalise(x, std::slice::from_ref(p), after).unwrap());
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
            let ours = results(shape, Kind::BFloat16, after, |x, p, after| {
                normalise(x, std::slice::from_ref(p), after).unwrap()
            });
            let theirs = results(shape, Kind::BFloat16, after, by_libtorch);
            assert_eq!(ours[0].kind(), Kind::BFloat16);
            for ((ours, theirs), exact) in ours.iter().zip(&theirs).zip(&exact) {
                let error = |found: &Tensor| (found.to_kind(Kind::Float) - exact).norm().double_value(&[]);
                let (ours, theirs) = (error(ours), error(theirs));
                assert!(ours <= 1.5 * theirs + 1e-4, "{after}: {ours} and {theirs}, {:?}", exact.size());
            }
        }
    }

    /// Weight and bias, and the running statistics.
    type Tensors = ([Tensor; 2], [Tensor; 2]);

    fn group((affine, [running_mean, running_variance]): &Tensors, rows: i64) -> Group<'_> {
        let [weight, bias] = affine.each_ref().map(Tensor::shallow_clone);
        let rows = rows as usize;
        Group { rows, weight, bias, running_mean, running_variance, epsilon: 1e-5, momentum: 0.1 }
    }

    /// Output and gradients of the images from row `first` on, in groups of so many rows, then of each group the gradients of weight and
    /// bias, and the running statistics.
    fn of_groups(first: i64, sizes: &[i64], with_sum: bool) -> [Vec<Tensor>; 2] {
        let count = sizes.iter().sum();
        let image = |seed: i64| {
            let image = in_layout(&noise(&[5, 32, 3, 4], seed), MemoryLayout::ChannelsLast).unwrap();
            image.narrow(0, first, count).detach().set_requires_grad(true)
        };
        let (x, added) = (image(1), image(2));
        // A group's tensors depend on where it begins.
        let mut start = first;
        let tensors = sizes.iter().map(|&rows| {
            let of = |part: i64| noise(&[32], 10 * start + part).abs();
            let tensors = ([of(3), of(4)].map(|leaf| leaf.set_requires_grad(true)), [of(5), of(6)]);
            start += rows;
            tensors
        });
        let tensors: Vec<_> = tensors.collect();
        let groups: Vec<_> = tensors.iter().zip(sizes).map(|(tensors, &rows)| group(tensors, rows)).collect();
        let y = normalise(&x, &groups, if with_sum { After::AddRelu(&added) } else { After::Relu }).unwrap();
        (&y * image(7).detach()).sum(Kind::Float).backward();
        let mut images = vec![y.detach(), x.grad()];
        images.extend(with_sum.then(|| added.grad()));
        let of_group = |(affine, running): &Tensors| {
            let gradients = affine.each_ref().map(Tensor::grad);
            gradients.into_iter().chain(running.each_ref().map(Tensor::shallow_clone))
        };
        [images, tensors.iter().flat_map(of_group).collect()]
    }

    #[test]
    fn groups_of_rows_have_the_bits_that_they_have_alone() {
        for with_sum in [false, true] {
            let [images, of_each] = of_groups(0, &[2, 3], with_sum);
            let ([first, of_first], [second, of_second]) = (of_groups(0, &[2], with_sum), of_groups(2, &[3], with_sum));
            assert_eq!((images.len(), of_each.len()), (if with_sum { 3 } else { 2 }, 8));
            for ((together, first), second) in images.iter().zip(&first).zip(&second) {
                assert_eq!(*together, Tensor::cat(&[first, second], 0));
            }
            assert!(of_each.iter().eq(of_first.iter().chain(&of_second)));
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
