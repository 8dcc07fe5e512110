//! Lookahead, around any optimizer.

use tch::{TchError, Tensor, no_grad_guard};

use super::{Optimizer, Parameter};
use crate::engine::buffers::copied;

medley_core::keys! {
    /// Lookahead (Zhang et al., *Lookahead Optimizer: k steps forward, 1 step back*, 2019), around the optimizer: every few steps the
    /// parameters go back to a point between where they were and where they are.
    pub struct Lookahead {
        /// Optimizer steps between two updates of the slow weights.
        every: usize = 5, in 1..=100_000;
        /// How far the slow weights move towards the fast ones; 1 takes the fast ones.
        rate: f64 = 0.5, in 0.0..=1.0;
    }
}

impl Lookahead {
    /// Wraps the optimizer that `build` makes of parameters, as they are now.
    ///
    /// # Errors
    /// What libtorch says when the slow copies are allocated.
    pub(super) fn wrap(
        &self,
        parameters: Vec<Parameter>,
        build: impl FnOnce(Vec<Parameter>) -> Result<Box<dyn Optimizer>, TchError>,
    ) -> Result<Box<dyn Optimizer>, TchError> {
        let _guard = no_grad_guard();
        let slots = parameters.iter().filter(|parameter| !parameter.frozen).map(|parameter| {
            let fast = parameter.tensor.shallow_clone();
            let slow = copied(&fast)?;
            Ok(Slot { name: parameter.name.clone(), fast, slow, is_frozen: false })
        });
        let slots = slots.collect::<Result<_, TchError>>()?;
        let inner = build(parameters)?;
        Ok(Box::new(Wrapped { keys: self.clone(), inner, slots, steps: Tensor::f_from_slice(&[0_i64])? }))
    }
}

struct Slot {
    name: String,
    fast: Tensor,
    slow: Tensor,
    is_frozen: bool,
}

/// An optimizer with Lookahead around it.
struct Wrapped {
    keys: Lookahead,
    inner: Box<dyn Optimizer>,
    slots: Vec<Slot>,
    /// Steps done, `[1]` i64: a tensor, so that it is saved with the rest.
    steps: Tensor,
}

impl Optimizer for Wrapped {
    fn step(&mut self, gradients: &[Option<Tensor>], scale: f64, learning_rate: f64) -> Result<(), TchError> {
        self.inner.step(gradients, scale, learning_rate)?;
        let _guard = no_grad_guard();
        let _ = self.steps.f_add_scalar_(1)?;
        if self.steps.f_int64_value(&[0])? % self.keys.every as i64 != 0 {
            return Ok(());
        }
        for Slot { fast, slow, .. } in self.slots.iter_mut().filter(|slot| !slot.is_frozen) {
            let _ = slow.f_lerp_(fast, self.keys.rate)?;
            fast.f_copy_(slow)?;
        }
        Ok(())
    }

    fn state(&self) -> Vec<(String, Tensor)> {
        let mut state = self.inner.state();
        state.extend(self.slots.iter().map(|slot| (format!("{}.slow", slot.name), slot.slow.shallow_clone())));
        state.push(("lookahead.steps".to_owned(), self.steps.shallow_clone()));
        state.sort_by(|a, b| a.0.cmp(&b.0));
        state
    }

    fn freeze(&mut self, is_frozen: &dyn Fn(&str) -> bool) -> Result<(), TchError> {
        for slot in &mut self.slots {
            slot.is_frozen = is_frozen(&slot.name);
        }
        self.inner.freeze(is_frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::OptimizerConfig;
    use super::*;

    /// Two values under plain gradient descent, by hand.
    #[test]
    fn every_few_steps_it_goes_back_between() {
        let config: OptimizerConfig = toml::from_str(
            "name = 'sgd'\nmomentum = 0.0\nnesterov = false\nweight_decay = 0.0\n[lookahead]\nevery = 2\nrate = 0.25",
        )
        .unwrap();
        let tensor = Tensor::from_slice(&[1.0_f32, -2.0]);
        let mut optimizer = config.build(vec![Parameter::plain("w", &tensor, 0.0)], 1, tch::Kind::Float).unwrap();
        let mut expected = [1.0_f32, -2.0];
        let mut slow = expected;
        for step in 1..=6 {
            let gradient = [step as f32, 1.0];
            optimizer.step(&[Some(Tensor::from_slice(&gradient))], 1.0, 0.5).unwrap();
            for index in 0..2 {
                expected[index] -= 0.5 * gradient[index];
                if step % 2 == 0 {
                    slow[index] += 0.25 * (expected[index] - slow[index]);
                    expected[index] = slow[index];
                }
            }
            assert_eq!(Vec::<f32>::try_from(&tensor).unwrap(), expected, "step {step}");
        }
        let names: Vec<_> = optimizer.state().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["lookahead.steps", "w.slow", "w.velocity"]);
    }
}
