//! Optimizers whose state can be saved.
//!
//! tch's own optimizers can neither give nor take their state, so a resumed run would differ from an undisturbed one. These
//! are written on tensor operations, keep their state by parameter name, and agree with PyTorch's step by step. To add one: a
//! file here, a line in [`build`], and a call of the conformance test.

mod adamw;
#[cfg(test)]
mod conformance;
mod sgd;

use tch::{TchError, Tensor};

pub use adamw::AdamW;
pub use sgd::Sgd;

use crate::config::schema::{OptimizerConfig, OptimizerName};

/// Moves parameters against their gradients.
pub trait Optimizer {
    /// One step with the given learning rate. A missing gradient counts as zero; gradients are cleared by
    /// [`clear_gradients`], not here.
    ///
    /// # Errors
    /// What libtorch says.
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError>;

    /// The state by name, sorted: what a checkpoint holds. Tensors share memory with the optimizer, so copying into them
    /// restores it.
    fn state(&self) -> Vec<(String, Tensor)>;
}

/// The optimizer of a config over named parameters.
///
/// # Errors
/// What libtorch says when the state is allocated.
pub fn build(config: &OptimizerConfig, parameters: &[(String, Tensor)]) -> Result<Box<dyn Optimizer>, TchError> {
    Ok(match config.name {
        OptimizerName::AdamW => Box::new(AdamW::new(config, parameters)?),
        OptimizerName::Sgd => Box::new(Sgd::new(config, parameters)?),
    })
}

/// Biases and the scales of normalisations have one dimension and are not decayed.
fn decay_of(parameter: &Tensor, weight_decay: f64) -> f64 {
    if parameter.dim() > 1 { weight_decay } else { 0.0 }
}

/// The gradient; zero where there is none yet. A head whose task is in no batch of the first steps has none, and one that had
/// is left with zeros: both must move alike, or a resumed run would differ from an undisturbed one.
fn gradient_of(parameter: &Tensor) -> Result<Tensor, TchError> {
    let gradient = parameter.grad();
    if gradient.defined() { Ok(gradient) } else { parameter.f_zeros_like() }
}

/// Forgets all gradients.
pub fn clear_gradients(parameters: &[(String, Tensor)]) {
    for (_, parameter) in parameters {
        let mut gradient = parameter.grad();
        if gradient.defined() {
            let _ = gradient.zero_();
        }
    }
}

/// Euclidean norm of all gradients together; scales them down to `limit` if it is above (0: leaves them). The norm
/// before the cut is returned, NaN and infinity included: the caller decides.
///
/// # Errors
/// What libtorch says.
pub fn clip_gradients(parameters: &[(String, Tensor)], limit: f64) -> Result<f64, TchError> {
    let gradients: Vec<Tensor> =
        parameters.iter().map(|(_, parameter)| parameter.grad()).filter(Tensor::defined).collect();
    if gradients.is_empty() {
        return Ok(0.0);
    }
    let mut norms = Vec::with_capacity(gradients.len());
    for gradient in &gradients {
        norms.push(gradient.f_norm()?);
    }
    let norm = Tensor::f_stack(&norms, 0)?.f_norm()?.f_double_value(&[])?;
    if limit > 0.0 && norm.is_finite() && norm > limit {
        let scale = limit / (norm + 1e-6);
        for mut gradient in gradients {
            let _ = gradient.f_mul_scalar_(scale)?;
        }
    }
    Ok(norm)
}
