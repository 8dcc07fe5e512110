use super::{TaskWeighting, WeightPosition, WeightState};

medley_core::keys! {
    /// FAMO (Liu et al., *FAMO: Fast Adaptive Multitask Optimization*, 2023): each step lowers the logarithms of all losses, and tasks whose
    /// loss then fell least get a larger share of the next ones. The losses of each batch are computed once more after its step,
    /// which takes about a third more time. Shares are learned by Adam, as in the authors' code.
    pub struct Famo {
        /// Learning rate of the shares.
        rate: f64 = 0.025, in 1e-6..=1.0;
        /// How strongly they are drawn towards equal ones.
        decay: f64 = 1e-5, in 0.0..=1.0;
    }
}

/// Least loss whose logarithm is taken.
const LEAST: f64 = 1e-8;
/// Adam's constants.
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;

/// The share of each task that has a loss, 0 for the others; together 1.
fn shares(logits: &[f64], losses: &[Option<f64>]) -> Vec<f64> {
    let logit = |task: usize| logits.get(task).copied().unwrap_or(0.0);
    let there = |task: usize| losses[task].is_some();
    let most = (0..losses.len()).filter(|&task| there(task)).map(logit).fold(f64::NEG_INFINITY, f64::max);
    let power = |task: usize| if there(task) { (logit(task) - most).exp() } else { 0.0 };
    let powers: Vec<f64> = (0..losses.len()).map(power).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| if sum > 0.0 { power / sum } else { 0.0 }).collect()
}

impl TaskWeighting for Famo {
    fn weights(&self, _state: &WeightState, position: WeightPosition<'_>) -> Vec<f64> {
        vec![1.0; position.tasks.len()]
    }

    /// In proportion to share over loss, so that the step is that of the logarithms; with a mean of 1 over the tasks in the batch.
    fn weights_of_losses(
        &self,
        state: &WeightState,
        _position: WeightPosition<'_>,
        losses: &[Option<f64>],
    ) -> Vec<f64> {
        let shares = shares(&state.learned, losses);
        let over_loss = |(share, loss): (&f64, &Option<f64>)| loss.map_or(0.0, |loss| share / (loss.max(0.0) + LEAST));
        let raw: Vec<f64> = shares.iter().zip(losses).map(over_loss).collect();
        let present = losses.iter().flatten().count() as f64;
        let sum: f64 = raw.iter().sum();
        if sum > 0.0 && sum.is_finite() {
            raw.into_iter().map(|weight| weight * present / sum).collect()
        } else {
            vec![1.0; losses.len()]
        }
    }

    /// `learned` is the logit of each task, then Adam's two means of each, then its steps.
    fn learn_from_both(&self, state: &mut WeightState, before: &[Option<f64>], after: &[Option<f64>]) {
        let tasks = before.len();
        state.learned.resize(3 * tasks + 1, 0.0);
        let shares = shares(&state.learned[..tasks], before);
        let log = |loss: f64| (loss.max(0.0) + LEAST).ln();
        let fell = |(before, after): (&Option<f64>, &Option<f64>)| match (before, after) {
            (Some(before), Some(after)) if before.is_finite() && after.is_finite() => log(*before) - log(*after),
            _ => 0.0,
        };
        let fell: Vec<f64> = before.iter().zip(after).map(fell).collect();
        let mean: f64 = shares.iter().zip(&fell).map(|(share, fell)| share * fell).sum();
        let (logits, rest) = state.learned.split_at_mut(tasks);
        let (means, rest) = rest.split_at_mut(tasks);
        let (squares, steps) = rest.split_at_mut(tasks);
        steps[0] += 1.0;
        for task in 0..tasks {
            let gradient = shares[task] * (fell[task] - mean) + self.decay * logits[task];
            means[task] = BETA1 * means[task] + (1.0 - BETA1) * gradient;
            squares[task] = BETA2 * squares[task] + (1.0 - BETA2) * gradient * gradient;
            let root = (squares[task] / (1.0 - BETA2.powf(steps[0]))).sqrt() + 1e-8;
            logits[task] -= self.rate * means[task] / (1.0 - BETA1.powf(steps[0])) / root;
        }
    }

    fn looks_back(&self) -> bool {
        true
    }

    fn needs_positive_losses(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weights(state: &WeightState, losses: &[Option<f64>]) -> Vec<f64> {
        let tasks = ["a", "b"].map(str::to_owned);
        Famo::default().weights_of_losses(state, WeightPosition { seed: 0, step: 0, tasks: &tasks }, losses)
    }

    #[test]
    fn at_first_weights_are_one_over_the_loss() {
        let weights = weights(&WeightState::default(), &[Some(1.0), Some(3.0)]);
        assert!((weights[0] - 1.5).abs() < 1e-6 && (weights[1] - 0.5).abs() < 1e-6, "{weights:?}");
    }

    #[test]
    fn a_task_that_falls_behind_gets_a_larger_share() {
        let (mut state, before) = (WeightState::default(), [Some(1.0), Some(1.0)]);
        for _ in 0..20 {
            Famo::default().learn_from_both(&mut state, &before, &[Some(0.5), Some(1.0)]);
        }
        let weights = weights(&state, &before);
        assert!(weights[1] > weights[0] + 0.1, "{weights:?}");
    }

    #[test]
    fn a_task_that_is_in_no_batch_changes_nothing() {
        assert_eq!(weights(&WeightState::default(), &[Some(2.0), None]), [1.0, 0.0]);
        assert_eq!(weights(&WeightState::default(), &[None, None]), [1.0, 1.0]);
    }
}
