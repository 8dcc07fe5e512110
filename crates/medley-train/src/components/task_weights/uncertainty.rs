use super::{TaskWeighting, WeightPosition, WeightState};

medley_core::keys! {
    /// Homoscedastic uncertainty (Kendall et al., *Multi-Task Learning Using Uncertainty to Weigh Losses*, 2018): a loss `L` costs
    /// `exp(-s) L + s`, whose `s` is learned by gradient descent for each task, so that a weight comes near one over the loss.
    pub struct Uncertainty {
        /// Learning rate of `s`.
        rate: f64 = 0.01, in 1e-6..=1.0;
    }
}

/// Weights are between `exp(-LIMIT)` and `exp(LIMIT)`.
const LIMIT: f64 = 5.0;

impl TaskWeighting for Uncertainty {
    fn weights(&self, state: &WeightState, position: WeightPosition<'_>) -> Vec<f64> {
        let s = |task: usize| state.learned.get(task).copied().unwrap_or(0.0);
        (0..position.tasks.len()).map(|task| (-s(task)).exp()).collect()
    }

    fn learn(&self, state: &mut WeightState, losses: &[Option<f64>]) {
        state.learned.resize(losses.len(), 0.0);
        for (s, loss) in state.learned.iter_mut().zip(losses) {
            if let Some(loss) = loss.filter(|loss| loss.is_finite()) {
                let gradient = 1.0 - (-*s).exp() * loss;
                *s = (*s - self.rate * gradient).clamp(-LIMIT, LIMIT);
            }
        }
    }

    fn needs_positive_losses(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_come_near_one_over_the_loss() {
        let tasks = ["a", "b", "c"].map(str::to_owned);
        let position = WeightPosition { seed: 0, step: 0, tasks: &tasks };
        let (uncertainty, mut state) = (Uncertainty { rate: 0.05 }, WeightState::default());
        for _ in 0..2000 {
            uncertainty.learn(&mut state, &[Some(0.5), Some(2.0), None]);
        }
        for (weight, expected) in uncertainty.weights(&state, position).iter().zip([2.0, 0.5, 1.0]) {
            assert!((weight - expected).abs() < 1e-3, "{weight} {expected}");
        }
    }
}
