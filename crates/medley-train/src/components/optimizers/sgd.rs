use tch::{Kind, TchError};

use super::step::Stepper;
use super::{Build, Number, Optimizer, Parameter, Rule, Step};

medley_core::keys! {
    /// Stochastic gradient descent with momentum, as `torch.optim.SGD`: the decay is added to the gradient.
    pub struct Sgd {
        /// Share of the last direction that is kept.
        momentum: f64 = 0.9, in 0.0..=0.999_999;
        /// Whether it looks ahead (Sutskever et al., 2013).
        nesterov: bool = true;
    }
}

impl Build for Sgd {
    fn states(&self) -> usize {
        Self::STATES.len()
    }

    fn build(&self, parameters: Vec<Parameter>, threads: usize, _kind: Kind) -> Result<Box<dyn Optimizer>, TchError> {
        Stepper::boxed(self.clone(), parameters, threads)
    }
}

/// The constants of one step.
#[derive(Debug, Clone, Copy)]
pub struct Constants {
    decay: f32,
    rate: f32,
    momentum: f32,
    nesterov: bool,
}

impl Rule<1> for Sgd {
    const STATES: [&'static str; 1] = ["velocity"];

    const COUNTS_STEPS: bool = false;

    type Constants = Constants;

    fn constants(&self, step: &Step) -> Constants {
        Constants {
            decay: step.weight_decay as f32,
            rate: step.learning_rate as f32,
            momentum: self.momentum as f32,
            nesterov: self.nesterov,
        }
    }

    fn update<N: Number>(c: &Constants, parameter: N, [velocity]: [N; 1], gradient: N) -> (N, [N; 1]) {
        let decayed = gradient + parameter.clone() * c.decay;
        let velocity = velocity * c.momentum + decayed.clone();
        let direction = if c.nesterov { decayed + velocity.clone() * c.momentum } else { velocity.clone() };
        (parameter - direction * c.rate, [velocity])
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::{self, OptimizerConfig as _};

    use super::super::OptimizerChoice;
    use super::super::conformance::compare_with_libtorch;
    use super::*;

    #[test]
    fn agrees_with_libtorch_step_by_step() {
        for (weight_decay, momentum, nesterov) in
            [(0.0, 0.9, true), (0.05, 0.9, true), (0.05, 0.8, false), (0.05, 0.0, false)]
        {
            let ours = OptimizerChoice::Sgd(Sgd { momentum, nesterov });
            let theirs = nn::Sgd { momentum, dampening: 0.0, wd: weight_decay, nesterov };
            compare_with_libtorch(&ours, weight_decay, |store| theirs.build(store, 1e-2).unwrap());
        }
    }
}
