//! What all convolutions by kernels of our own share: the node of libtorch's graph.

use tch::{Kind, TchError, Tensor};

use crate::MemoryLayout;
use crate::scope::in_layout;

/// The two gradients that kernels compute.
pub(super) trait Gradients: Send + 'static {
    /// That of the input, from those of the outputs, with channels last.
    fn of_input(&self, x: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor, TchError>;

    /// That of the weight.
    fn of_weight(&self, x: &Tensor, gradient: &Tensor, weight: &Tensor) -> Result<Tensor, TchError>;
}

/// Gives an output that was computed without a record its backward pass. The gradient of the bias is a sum.
pub(super) fn with_backward(
    y: Tensor,
    [x, weight]: [&Tensor; 2],
    bias: Option<&Tensor>,
    gradients: impl Gradients,
) -> Result<Tensor, TchError> {
    let inputs: Vec<&Tensor> = [x, weight].into_iter().chain(bias).collect();
    medley_autograd::attach(y, &inputs, &[x, weight], move |gradient, saved, wanted| {
        let gradient = in_layout(&gradient, MemoryLayout::ChannelsLast)?;
        let (x, weight) = (&saved[0], &saved[1]);
        let mut all = vec![
            wanted[0].then(|| gradients.of_input(x, &gradient, weight)).transpose()?,
            wanted[1].then(|| gradients.of_weight(x, &gradient, weight)).transpose()?,
        ];
        if let Some(&wanted) = wanted.get(2) {
            let axes: Vec<i64> = (0..gradient.dim() as i64).filter(|&axis| axis != 1).collect();
            let sum = || gradient.f_sum_dim_intlist(axes.as_slice(), false, Kind::Float);
            all.push(wanted.then(sum).transpose()?);
        }
        Ok(all)
    })
}
