use tch::{TchError, Tensor, no_grad_guard};

use super::{Optimizer, decay_of, gradient_of};
use crate::config::schema::OptimizerConfig;

const EPSILON: f64 = 1e-8;

/// Adam with decoupled weight decay (Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019, algorithm 2),
/// as `torch.optim.AdamW`.
pub struct AdamW {
    slots: Vec<Slot>,
    beta1: f64,
    beta2: f64,
    /// Steps done, `[1]` i64: a tensor, so that it is saved with the rest.
    steps: Tensor,
}

struct Slot {
    name: String,
    parameter: Tensor,
    mean: Tensor,
    square: Tensor,
    weight_decay: f64,
}

impl AdamW {
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
                mean: parameter.f_zeros_like()?,
                square: parameter.f_zeros_like()?,
                weight_decay: decay_of(parameter, config.weight_decay),
            });
        }
        let steps = Tensor::f_from_slice(&[0_i64])?;
        Ok(Self { slots, beta1: config.momentum, beta2: config.beta2, steps })
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, learning_rate: f64) -> Result<(), TchError> {
        let _guard = no_grad_guard();
        let _ = self.steps.f_add_scalar_(1)?;
        let step = self.steps.f_int64_value(&[0])? as f64;
        let correction1 = 1.0 - self.beta1.powf(step);
        let correction2_sqrt = (1.0 - self.beta2.powf(step)).sqrt();
        for slot in &mut self.slots {
            let gradient = gradient_of(&slot.parameter)?;
            if slot.weight_decay > 0.0 {
                let _ = slot.parameter.f_mul_scalar_(1.0 - learning_rate * slot.weight_decay)?;
            }
            let _ = slot.mean.f_lerp_(&gradient, 1.0 - self.beta1)?;
            let _ = slot.square.f_mul_scalar_(self.beta2)?;
            let _ = slot.square.f_addcmul_(&gradient, &(&gradient * (1.0 - self.beta2)))?;
            let denominator = slot.square.f_sqrt()?.f_div_scalar_(correction2_sqrt)?.f_add_scalar_(EPSILON)?;
            let update = slot.mean.f_mul_scalar(-learning_rate / correction1)?;
            let _ = slot.parameter.f_addcdiv_(&update, &denominator)?;
        }
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![("steps".to_owned(), self.steps.shallow_clone())];
        for slot in &self.slots {
            state.push((format!("{}.mean", slot.name), slot.mean.shallow_clone()));
            state.push((format!("{}.square", slot.name), slot.square.shallow_clone()));
        }
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{check_optimizer, compare_with_libtorch};
    use super::*;
    use crate::config::schema::OptimizerName;

    #[test]
    fn conforms() {
        let config = OptimizerConfig { name: OptimizerName::AdamW, ..OptimizerConfig::default() };
        check_optimizer(&config);
    }

    #[test]
    fn agrees_with_libtorch_step_by_step() {
        let config = OptimizerConfig {
            name: OptimizerName::AdamW,
            weight_decay: 0.1,
            beta2: 0.95,
            ..OptimizerConfig::default()
        };
        compare_with_libtorch(&config, |store| {
            use tch::nn::OptimizerConfig as _;
            tch::nn::AdamW { beta1: 0.9, beta2: 0.95, wd: 0.1, eps: EPSILON, amsgrad: false }
                .build(store, 1e-2)
                .unwrap()
        });
    }
}
