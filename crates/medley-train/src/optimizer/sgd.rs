use tch::{TchError, Tensor};

use super::Optimizer;
use super::memory::Piece;
use super::slot::{self, Slot};
use crate::config::schema::OptimizerConfig;

/// Stochastic gradient descent with Nesterov momentum, as `torch.optim.SGD(nesterov=True)`: the decay is added to the
/// gradient.
pub struct Sgd {
    /// The state is the velocity.
    slots: Vec<Slot<1>>,
    momentum: f64,
    threads: usize,
}

impl Sgd {
    /// State for each parameter, zero. `threads` share the work of a step.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn new(config: &OptimizerConfig, parameters: &[(String, Tensor)], threads: usize) -> Result<Self, TchError> {
        let slots = Slot::for_all(parameters, config.weight_decay)?;
        Ok(Self { slots, momentum: config.momentum, threads })
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError> {
        let rule = Rule { scale, learning_rate, momentum: self.momentum };
        slot::step(&mut self.slots, gradients, self.threads, &rule)
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state: Vec<_> = self.slots.iter().flat_map(|slot| slot.named(["velocity"])).collect();
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }
}

/// The constants of one step.
struct Rule {
    /// Gradients are multiplied by it first.
    scale: f64,
    learning_rate: f64,
    momentum: f64,
}

impl slot::Rule<1> for Rule {
    fn apply(&self, piece: Piece<'_, 1>) {
        let Piece { parameter, states: [velocity], gradient, weight_decay } = piece;
        let (scale, rate, momentum) = (self.scale as f32, self.learning_rate as f32, self.momentum as f32);
        let decay = weight_decay as f32;
        let update = |parameter: &mut f32, velocity: &mut f32, gradient: f32| {
            let decayed = gradient + decay * *parameter;
            *velocity = momentum * *velocity + decayed;
            *parameter -= rate * (decayed + momentum * *velocity);
        };
        let values = parameter.iter_mut().zip(velocity.iter_mut());
        match gradient {
            Some(gradient) => values.zip(gradient).for_each(|((parameter, velocity), &gradient)| {
                update(parameter, velocity, scale * gradient);
            }),
            None => values.for_each(|(parameter, velocity)| update(parameter, velocity, 0.0)),
        }
    }

    fn apply_by_tensors(&self, slot: &mut Slot<1>, gradient: Option<&Tensor>) -> Result<(), TchError> {
        let Slot { parameter, states: [velocity], weight_decay, .. } = slot;
        let mut decayed = parameter.f_mul_scalar(*weight_decay)?;
        if let Some(gradient) = gradient {
            let _ = decayed.f_add_(&gradient.f_mul_scalar(self.scale)?)?;
        }
        let _ = velocity.f_mul_scalar_(self.momentum)?.f_add_(&decayed)?;
        let direction = decayed.f_add(&velocity.f_mul_scalar(self.momentum)?)?;
        let _ = parameter.f_add_(&direction.f_mul_scalar(-self.learning_rate)?)?;
        Ok(())
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
        check_optimizer(&OptimizerConfig { weight_decay: 0.01, ..config() });
    }

    #[test]
    fn agrees_with_libtorch_step_by_step() {
        compare_with_libtorch(&config(), |store| {
            use tch::nn::OptimizerConfig as _;
            tch::nn::Sgd { momentum: 0.9, dampening: 0.0, wd: 0.0, nesterov: true }.build(store, 1e-2).unwrap()
        });
    }
}
