//! What Adam and AdamW share: running means of gradients and of their squares, and the change that they ask for.

use super::{Number, Step};

/// The constants of one step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    first: f32,
    beta2: f32,
    second: f32,
    rate: f32,
    correction: f32,
    epsilon: f32,
}

impl Moments {
    pub(super) fn new(beta1: f64, beta2: f64, epsilon: f64, step: &Step) -> Self {
        Self {
            first: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            second: (1.0 - beta2) as f32,
            // Both means start at zero, which is corrected here.
            rate: (step.learning_rate / (1.0 - beta1.powf(step.number))) as f32,
            correction: (1.0 / (1.0 - beta2.powf(step.number)).sqrt()) as f32,
            epsilon: epsilon as f32,
        }
    }

    /// What is taken from the parameter, and the new means.
    pub(super) fn update<N: Number>(&self, [mean, square]: [N; 2], gradient: N) -> (N, [N; 2]) {
        let mean = mean.clone() + (gradient.clone() - mean) * self.first;
        let square = square * self.beta2 + gradient.clone() * gradient * self.second;
        let change = mean.clone() * self.rate / (square.clone().sqrt() * self.correction + self.epsilon);
        (change, [mean, square])
    }
}
