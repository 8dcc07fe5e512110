//! What tests of convolutions of our own hold against libtorch's.

use tch::{Device, Kind, Tensor};

/// Numbers without order, f32.
pub(super) fn noise(shape: &[i64], seed: i64) -> Tensor {
    let numbers = Tensor::arange(shape.iter().product::<i64>(), (Kind::Float, Device::Cpu));
    ((numbers + seed) * 78.233).sin().view(shape)
}

/// The output of a convolution, and the gradients of all of input, weight and bias that ask for one, of a loss that weighs every output
/// differently.
pub(super) fn passes(
    convolve: impl Fn(&Tensor, &Tensor, Option<&Tensor>) -> Tensor,
    leaves: [&Tensor; 3],
    bias: bool,
) -> Vec<Tensor> {
    let [x, weight, shift] = leaves.map(|leaf| leaf.detach().set_requires_grad(leaf.requires_grad()));
    // Not the leaves themselves, so that gradients flow on behind the layer.
    let y = convolve(&(&x * 1.0), &(&weight * 1.0), bias.then_some(&shift));
    if y.requires_grad() {
        (&y * noise(&y.size(), 5).to_kind(y.kind())).sum(Kind::Float).backward();
    }
    let gradients = [x, weight, shift].into_iter().map(|leaf| leaf.grad()).filter(Tensor::defined);
    std::iter::once(y.detach()).chain(gradients).collect()
}
