//! Optimizers whose state can be saved.
//!
//! tch's own optimizers can neither give nor take their state, so a resumed run would differ from an undisturbed one. These
//! keep their state by parameter name and agree with PyTorch's step by step. On the CPU a step is one pass over the memory of
//! all parameters, shared by threads; elsewhere it is made of tensor operations. To add one: a file here with its `slot::Rule`
//! in both forms, a line in [`build`], and calls of the conformance tests, which hold the two forms together.

mod adamw;
#[cfg(test)]
mod conformance;
mod memory;
mod sgd;
mod slot;

use tch::{TchError, Tensor};

pub use adamw::AdamW;
pub use sgd::Sgd;

use crate::config::schema::{OptimizerConfig, OptimizerName};

/// Moves parameters against their gradients.
pub trait Optimizer {
    /// One step with the given learning rate against `gradients` times `scale`, in the order of the parameters. A missing gradient
    /// counts as zero: a head whose task is not in the batch moves as one whose gradient vanishes. The bits depend on neither the
    /// number of threads nor the order of the parameters.
    ///
    /// # Errors
    /// What libtorch says.
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError>;

    /// The state by name, sorted: what a checkpoint holds. Tensors share memory with the optimizer, so copying into them
    /// restores it.
    fn state(&self) -> Vec<(String, Tensor)>;
}

/// The optimizer of a config over named parameters, with `threads` to share its work.
///
/// # Errors
/// What libtorch says when the state is allocated.
pub fn build(
    config: &OptimizerConfig,
    parameters: &[(String, Tensor)],
    threads: usize,
) -> Result<Box<dyn Optimizer>, TchError> {
    Ok(match config.name {
        OptimizerName::AdamW => Box::new(AdamW::new(config, parameters, threads)?),
        OptimizerName::Sgd => Box::new(Sgd::new(config, parameters, threads)?),
    })
}

/// Euclidean norm of all gradients together, 0 without any, NaN and infinity included: the caller decides.
///
/// # Errors
/// What libtorch says.
pub fn gradient_norm(gradients: &[Option<Tensor>]) -> Result<f64, TchError> {
    let norms = gradients.iter().flatten().map(Tensor::f_norm).collect::<Result<Vec<_>, _>>()?;
    if norms.is_empty() {
        return Ok(0.0);
    }
    Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])
}

/// What gradients of this norm are multiplied by so that it is at most `limit` (0: no limit), as
/// `torch.nn.utils.clip_grad_norm_`.
pub fn clip_scale(norm: f64, limit: f64) -> f64 {
    if limit > 0.0 && norm > limit { limit / (norm + 1e-6) } else { 1.0 }
}
