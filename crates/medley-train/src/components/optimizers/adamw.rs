use tch::{Kind, TchError};

use super::moments::Moments;
use super::step::Stepper;
use super::{Build, Number, Optimizer, Parameter, Rule, Step};

medley_core::keys! {
    /// Adam with decoupled weight decay (Loshchilov and Hutter, *Decoupled Weight Decay Regularization*, 2019, algorithm 2), as
    /// `torch.optim.AdamW`.
    pub struct AdamW {
        /// Decay of the mean of gradients.
        beta1: f64 = 0.9, in 0.0..=0.999_999;
        /// Decay of the mean of their squares.
        beta2: f64 = 0.99, in 0.0..=0.999_999_9;
        /// Added to the root of that mean, so that nothing is divided by zero.
        epsilon: f64 = 1e-8, in 1e-16..=1.0;
    }
}

impl Build for AdamW {
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
    kept: f32,
    moments: Moments,
}

impl Rule<2> for AdamW {
    const STATES: [&'static str; 2] = ["mean", "square"];

    type Constants = Constants;

    fn constants(&self, step: &Step) -> Constants {
        let moments = Moments::new(self.beta1, self.beta2, self.epsilon, step);
        Constants { kept: (1.0 - step.learning_rate * step.weight_decay) as f32, moments }
    }

    fn update<N: Number>(c: &Constants, parameter: N, means: [N; 2], gradient: N) -> (N, [N; 2]) {
        let (change, means) = c.moments.update(means, gradient);
        (parameter * c.kept - change, means)
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
        for (weight_decay, epsilon) in [(0.1, 1e-8), (0.0, 1e-3)] {
            let ours = OptimizerChoice::AdamW(AdamW { beta2: 0.95, epsilon, ..AdamW::default() });
            let theirs = nn::AdamW { beta1: 0.9, beta2: 0.95, wd: weight_decay, eps: epsilon, amsgrad: false };
            compare_with_libtorch(&ours, weight_decay, |store| theirs.build(store, 1e-2).unwrap());
        }
    }
}
