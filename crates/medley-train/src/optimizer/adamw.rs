use tch::{TchError, Tensor};

use super::Optimizer;
use super::memory::Piece;
use super::slot::{self, Slot};
use crate::config::schema::OptimizerConfig;

const EPSILON: f64 = 1e-8;

/// Adam with decoupled weight decay (Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019, algorithm 2),
/// as `torch.optim.AdamW`.
pub struct AdamW {
    /// The states are the means of gradients and of their squares.
    slots: Vec<Slot<2>>,
    beta1: f64,
    beta2: f64,
    threads: usize,
    /// Steps done, `[1]` i64: a tensor, so that it is saved with the rest.
    steps: Tensor,
}

impl AdamW {
    /// State for each parameter, zero. `threads` share the work of a step.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn new(config: &OptimizerConfig, parameters: &[(String, Tensor)], threads: usize) -> Result<Self, TchError> {
        let slots = Slot::for_all(parameters, config.weight_decay)?;
        let steps = Tensor::f_from_slice(&[0_i64])?;
        Ok(Self { slots, beta1: config.momentum, beta2: config.beta2, threads, steps })
    }
}

impl Optimizer for AdamW {
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError> {
        let _ = self.steps.f_add_scalar_(1)?;
        let step = self.steps.f_int64_value(&[0])? as f64;
        let (beta1, beta2) = (self.beta1, self.beta2);
        let rule = Rule {
            scale,
            learning_rate,
            beta1,
            beta2,
            rate: learning_rate / (1.0 - beta1.powf(step)),
            correction: 1.0 / (1.0 - beta2.powf(step)).sqrt(),
        };
        slot::step(&mut self.slots, gradients, self.threads, &rule)
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = vec![("steps".to_owned(), self.steps.shallow_clone())];
        state.extend(self.slots.iter().flat_map(|slot| slot.named(["mean", "square"])));
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }
}

/// The constants of one step.
struct Rule {
    /// Gradients are multiplied by it first.
    scale: f64,
    learning_rate: f64,
    beta1: f64,
    beta2: f64,
    /// The learning rate over the mean's correction for its start at zero.
    rate: f64,
    /// Of the root of the squares' mean.
    correction: f64,
}

impl slot::Rule<2> for Rule {
    fn apply(&self, piece: Piece<'_, 2>) {
        let Piece { parameter, states: [mean, square], gradient, weight_decay } = piece;
        let kept = (1.0 - self.learning_rate * weight_decay) as f32;
        let (scale, first, beta2, second) =
            (self.scale as f32, (1.0 - self.beta1) as f32, self.beta2 as f32, (1.0 - self.beta2) as f32);
        let (rate, correction, epsilon) = (self.rate as f32, self.correction as f32, EPSILON as f32);
        let update = |parameter: &mut f32, mean: &mut f32, square: &mut f32, gradient: f32| {
            *mean += first * (gradient - *mean);
            *square = beta2 * *square + second * (gradient * gradient);
            *parameter = kept * *parameter - rate * *mean / (square.sqrt() * correction + epsilon);
        };
        let values = parameter.iter_mut().zip(mean.iter_mut().zip(square.iter_mut()));
        match gradient {
            Some(gradient) => values.zip(gradient).for_each(|((parameter, (mean, square)), &gradient)| {
                update(parameter, mean, square, scale * gradient);
            }),
            None => values.for_each(|(parameter, (mean, square))| update(parameter, mean, square, 0.0)),
        }
    }

    fn apply_by_tensors(&self, slot: &mut Slot<2>, gradient: Option<&Tensor>) -> Result<(), TchError> {
        let Slot { parameter, states: [mean, square], weight_decay, .. } = slot;
        let gradient = match gradient {
            Some(gradient) => gradient.f_mul_scalar(self.scale)?,
            None => parameter.f_zeros_like()?,
        };
        let _ = mean.f_lerp_(&gradient, 1.0 - self.beta1)?;
        let _ = square.f_mul_scalar_(self.beta2)?.f_add_(&gradient.f_square()?.f_mul_scalar(1.0 - self.beta2)?)?;
        let denominator = square.f_sqrt()?.f_mul_scalar_(self.correction)?.f_add_scalar_(EPSILON)?;
        let _ = parameter.f_mul_scalar_(1.0 - self.learning_rate * *weight_decay)?;
        let _ = parameter.f_addcdiv_(&mean.f_mul_scalar(-self.rate)?, &denominator)?;
        Ok(())
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
