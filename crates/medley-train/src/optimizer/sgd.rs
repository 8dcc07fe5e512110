use tch::{TchError, Tensor, no_grad_guard};

use super::{Optimizer, decay_of, gradient_of};
use crate::config::schema::OptimizerConfig;

/// Stochastic gradient descent with Nesterov momentum, as `torch.optim.SGD(nesterov=True)`: the decay is added to the
/// gradient.
pub struct Sgd {
    slots: Vec<Slot>,
    momentum: f64,
}

struct Slot {
    name: String,
    parameter: Tensor,
    velocity: Tensor,
    weight_decay: f64,
}

impl Sgd {
    /// State for each parameter, zero.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn new(config: &OptimizerConfig, parameters: &[(String, Tensor)]) -> Result<Self, TchError> {
        let _guard = no_grad_guard();
        let mut slots = Vec::with_capacity(parameters.len());
        for (name, parameter) in parameters {
            slots.push(Slot {
                name: name.clone(),
                parameter: parameter.shallow_clone(),
                velocity: parameter.f_zeros_like()?,
                weight_decay: decay_of(parameter, config.weight_decay),
            });
        }
        Ok(Self { slots, momentum: config.momentum })
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        for slot in &mut self.slots {
            let gradient = gradient_of(&slot.parameter)?;
            let decayed = gradient.f_add(&slot.parameter.f_mul_scalar(slot.weight_decay)?)?;
            let _ = slot.velocity.f_mul_scalar_(self.momentum)?.f_add_(&decayed)?;
            let direction = decayed.f_add(&slot.velocity.f_mul_scalar(self.momentum)?)?;
            let _ = slot.parameter.f_add_(&direction.f_mul_scalar(-learning_rate)?)?;
        }
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state: Vec<_> =
            self.slots.iter().map(|slot| (format!("{}.velocity", slot.name), slot.velocity.shallow_clone())).collect();
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{check_optimizer, compare_with_libtorch};
    use super::*;
    use crate::config::schema::OptimizerName;

    fn config() -> OptimizerConfig {
        OptimizerConfig { name: OptimizerName::Sgd, weight_decay: 0.0, ..OptimizerConfig::default() }
    }

    #[test]
    fn conforms() {
        check_optimizer(&config());
    }

    #[test]
    fn agrees_with_libtorch_step_by_step() {
        compare_with_libtorch(&config(), |store| {
            use tch::nn::OptimizerConfig as _;
            tch::nn::Sgd { momentum: 0.9, dampening: 0.0, wd: 0.0, nesterov: true }.build(store, 1e-2).unwrap()
        });
    }
}
