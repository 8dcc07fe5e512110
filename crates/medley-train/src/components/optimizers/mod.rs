//! Optimizers whose state can be saved.
//!
//! tch's own optimizers can neither give nor take their state, so a resumed run would differ from an undisturbed one. These
//! keep their state by parameter name and agree with PyTorch's step by step.
//!
//! An optimizer is a [`Rule`]: what becomes of one value in one step, written once. On the CPU a step is one pass over the memory
//! of all parameters, shared by threads; elsewhere the same rule is applied to tensors (see [`Number`]). To add one: a file
//! here with its keys, its rule and a line that implements [`Build`], and a line in the registry.

mod adam;
mod adamw;
#[cfg(test)]
mod conformance;
mod groups;
mod lookahead;
mod memory;
mod moments;
mod muon;
mod number;
mod sgd;
mod sharpness;
mod step;

use tch::{Kind, TchError, Tensor};

use super::{Component, registry};

pub use adam::Adam;
pub use adamw::AdamW;
pub(crate) use groups::check as check_groups;
pub use groups::{GroupError, Parameter, ParameterGroup, assign};
pub use lookahead::Lookahead;
pub use muon::{Muon, Scaling};
pub use number::Number;
pub use sgd::Sgd;
pub use sharpness::Sharpness;
pub use step::{Rule, Step};

/// `[optimizer]`
pub type OptimizerConfig = Component<OptimizerChoice, OptimizerKeys>;

/// Moves parameters against their gradients.
pub trait Optimizer {
    /// One step with the given learning rate against `gradients` times `scale`, in the order of the parameters. A missing gradient
    /// counts as zero: a head whose task is not in the batch moves as one whose gradient vanishes. The bits depend on neither the
    /// number of threads nor the order of the parameters; those of `muon`, which has libtorch multiply matrices, on libtorch's threads.
    ///
    /// # Errors
    /// What libtorch says.
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError>;

    /// The state by name, sorted: what a checkpoint holds. Tensors share memory with the optimizer, so copying into them
    /// restores it.
    fn state(&self) -> Vec<(String, Tensor)>;

    /// From now on, parameters with these names stay as they are and all others are trained, but for those whose group is frozen.
    /// What is kept for a parameter waits meanwhile, so that one that was frozen from the start begins as with a fresh optimizer.
    /// The steps of a parameter that was ever frozen are counted apart, in a tensor of its own in [`Self::state`].
    ///
    /// # Errors
    /// What libtorch says.
    fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) -> Result<(), TchError>;
}

/// An optimizer that was chosen, to be made.
pub trait Build {
    /// How many numbers it keeps beside each value.
    fn states(&self) -> usize;

    /// The optimizer over parameters, its state zero. `threads` share the work of a step, and `kind` is that of activations: what an
    /// optimizer has of products of matrices may be computed in it.
    ///
    /// # Errors
    /// What libtorch says when the state is allocated.
    fn build(&self, parameters: Vec<Parameter>, threads: usize, kind: Kind) -> Result<Box<dyn Optimizer>, TchError>;
}

registry! {
    /// The optimizers.
    OptimizerChoice: dyn Build = "optimizer" {
        AdamW(AdamW) = "adamw",
        Adam(Adam) = "adam",
        Sgd(Sgd) = "sgd",
        Muon(Muon) = "muon",
    }
}

medley_core::keys! {
    /// How the loss is minimised.
    pub struct OptimizerKeys {
        /// The peak of the schedule.
        learning_rate: f64 = 3e-3, in 1e-12..=1e3;
        /// Decay of matrices and filters, not of biases and norms: decoupled and times the learning rate for `adamw` and `muon`, added to
        /// the gradient for `sgd`, where 0.0005 is usual, and for `adam`, where 0 is.
        weight_decay: f64 = 0.05, in 0.0..=10.0;
        /// The norm of the whole gradient is cut to this; 0 leaves it.
        gradient_clip: f64 = 1.0, in 0.0..=1e9;
        /// Parameters that are treated otherwise, by name; the first group that matches counts.
        groups: Vec<ParameterGroup> = Vec::new();
        /// Sharpness-aware minimisation, if the table is there.
        sam: Option<Sharpness> = None;
        /// Lookahead, if the table is there.
        lookahead: Option<Lookahead> = None;
    }
}

impl OptimizerConfig {
    /// How many numbers are kept beside each value.
    pub fn states(&self) -> usize {
        self.choice.states() + usize::from(self.lookahead.is_some()) + 2 * usize::from(self.sam.is_some())
    }

    /// The optimizer that was chosen, with what is around it.
    ///
    /// # Errors
    /// As [`Build::build`].
    pub fn build(
        &self,
        parameters: Vec<Parameter>,
        threads: usize,
        kind: Kind,
    ) -> Result<Box<dyn Optimizer>, TchError> {
        let build = |parameters| self.choice.build(parameters, threads, kind);
        match &self.lookahead {
            Some(lookahead) => lookahead.wrap(parameters, build),
            None => build(parameters),
        }
    }
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

#[cfg(test)]
mod tests {
    use medley_models::conformance::cuda_or_skip;

    use super::super::Choice as _;
    use super::*;

    #[test]
    fn every_optimizer_conforms() {
        for name in OptimizerChoice::NAMES {
            conformance::check_optimizer(&OptimizerChoice::read(name, toml::Table::new()).unwrap());
        }
    }

    /// See `medley_models::conformance::cuda_or_skip`.
    #[test]
    fn every_optimizer_agrees_on_a_gpu() {
        let Some(device) = cuda_or_skip("every_optimizer_agrees_on_a_gpu") else { return };
        for name in OptimizerChoice::NAMES {
            conformance::check_on_gpu(&OptimizerChoice::read(name, toml::Table::new()).unwrap(), device);
        }
    }
}
