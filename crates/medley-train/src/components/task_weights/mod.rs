//! Weights of tasks: by what the losses of tasks are multiplied before they are added up. Pure.
//!
//! A [`TaskWeighting`] sees losses as numbers, and remembers what it needs in a [`WeightState`] that is saved with checkpoints. To add
//! one: a file here with its keys, and a line in the registry.

mod dwa;
mod equal;
mod famo;
mod fixed;
mod random;
mod uncertainty;

use serde::{Deserialize, Serialize};

use super::{Component, registry};

pub use dwa::Dwa;
pub use equal::Equal;
pub use famo::Famo;
pub use fixed::Fixed;
pub use random::RandomWeights;
pub use uncertainty::Uncertainty;

/// `[task_weights]`
pub type TaskWeightsConfig = Component<TaskWeightsChoice, TaskWeightsKeys>;

medley_core::keys! {
    /// How much the loss of each task weighs.
    pub struct TaskWeightsKeys {}
}

/// What weights depend on, from step to step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WeightState {
    /// Numbers that a weighting learns, one per task or several; empty before the first step.
    pub learned: Vec<f64>,
    /// Of each task, the sum of its losses in the epoch in progress, and of how many batches.
    pub epoch: Vec<(f64, u64)>,
    /// The mean losses of the last two epochs, the older first.
    pub history: Vec<Vec<f64>>,
}

impl WeightState {
    /// Whether it can be that of so many tasks.
    pub(crate) fn is_of(&self, tasks: usize) -> bool {
        (self.learned.is_empty() || self.learned.len() >= tasks)
            && (self.epoch.is_empty() || self.epoch.len() == tasks)
            && self.history.iter().all(|losses| losses.len() == tasks)
    }
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeightPosition<'a> {
    /// Seed of the run.
    pub seed: u64,
    /// Counted from 0, over all epochs.
    pub step: u64,
    /// Names of the tasks, in their order.
    pub tasks: &'a [String],
}

/// By what the losses of tasks are multiplied.
pub trait TaskWeighting {
    /// A weight per task, each finite and not negative.
    fn weights(&self, state: &WeightState, position: WeightPosition<'_>) -> Vec<f64>;

    /// The same where weights depend on the losses of the step itself: the mean over its images of each task that is in the batch,
    /// without its weight.
    fn weights_of_losses(
        &self,
        state: &WeightState,
        position: WeightPosition<'_>,
        _losses: &[Option<f64>],
    ) -> Vec<f64> {
        self.weights(state, position)
    }

    /// Learns from the losses of a step, as above.
    fn learn(&self, _state: &mut WeightState, _losses: &[Option<f64>]) {}

    /// Learns from the losses of a step and those of the same batch after it, if it asks for them by [`Self::looks_back`].
    fn learn_from_both(&self, _state: &mut WeightState, _before: &[Option<f64>], _after: &[Option<f64>]) {}

    /// Whether the losses of each batch are computed again after its step.
    fn looks_back(&self) -> bool {
        false
    }

    /// Whether losses below zero make its weights meaningless.
    fn needs_positive_losses(&self) -> bool {
        false
    }

    /// Whether all weights are always 1.
    fn is_equal(&self) -> bool {
        false
    }
}

registry! {
    /// The weightings.
    TaskWeightsChoice: dyn TaskWeighting = "task_weights" {
        Equal(Equal) = "equal",
        Fixed(Fixed) = "fixed",
        Uncertainty(Uncertainty) = "uncertainty",
        Dwa(Dwa) = "dwa",
        Random(RandomWeights) = "random",
        Famo(Famo) = "famo",
    }
}

impl WeightState {
    /// Takes note of the losses of a step.
    pub(crate) fn note(&mut self, losses: &[Option<f64>]) {
        self.epoch.resize(losses.len(), (0.0, 0));
        for ((sum, count), loss) in self.epoch.iter_mut().zip(losses) {
            if let Some(loss) = loss {
                *sum += loss;
                *count += 1;
            }
        }
    }

    /// Takes note of the end of an epoch.
    pub(crate) fn finish_epoch(&mut self) {
        let means = self.epoch.drain(..).map(|(sum, count)| if count > 0 { sum / count as f64 } else { f64::NAN });
        let means: Vec<f64> = means.collect();
        if means.iter().all(|mean| mean.is_finite()) && !means.is_empty() {
            self.history.push(means);
        }
        let surplus = self.history.len().saturating_sub(2);
        self.history.drain(..surplus);
    }
}

/// Weights whose mean is 1, in proportion to the exponentials of these numbers.
fn softmax(numbers: &[f64]) -> Vec<f64> {
    let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = numbers.iter().map(|number| (number - most).exp()).collect();
    let scale = numbers.len() as f64 / powers.iter().sum::<f64>();
    powers.into_iter().map(|power| power * scale).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Choice as _;
    use super::*;

    #[test]
    fn a_state_of_other_tasks_is_told() {
        let of_two = WeightState { learned: vec![0.1; 4], epoch: vec![(1.0, 2); 2], history: vec![vec![1.0; 2]; 2] };
        assert!(of_two.is_of(2) && WeightState::default().is_of(3));
        assert!(!of_two.is_of(3) && !WeightState { learned: vec![0.5], ..WeightState::default() }.is_of(2));
        assert!(!WeightState { history: vec![vec![1.0]; 2], ..of_two.clone() }.is_of(2));
    }

    proptest! {
        #[test]
        fn every_weighting_is_finite_and_positive(
            losses in prop::collection::vec(prop::collection::vec(prop::option::of(0.0..50.0_f64), 3), 1..40), seed: u64,
        ) {
            let tasks = ["a", "b", "c"].map(str::to_owned);
            for name in TaskWeightsChoice::NAMES {
                let weighting = TaskWeightsChoice::read(name, toml::Table::new()).unwrap();
                let mut state = WeightState::default();
                for (step, losses) in losses.iter().enumerate() {
                    let position = WeightPosition { seed, step: step as u64, tasks: &tasks };
                    let weights = weighting.weights(&state, position);
                    prop_assert_eq!(weights.len(), 3);
                    prop_assert!(weights.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "{} {:?}", name, weights);
                    prop_assert_eq!(&weights, &weighting.weights(&state, position));
                    let of_losses = weighting.weights_of_losses(&state, position, losses);
                    prop_assert!(of_losses.iter().all(|weight| weight.is_finite() && *weight >= 0.0), "{} {:?}", name, of_losses);
                    weighting.learn(&mut state, losses);
                    weighting.learn_from_both(&mut state, losses, &losses.iter().map(|loss| loss.map(|loss| loss / 2.0)).collect::<Vec<_>>());
                    state.note(losses);
                    if step % 5 == 4 {
                        state.finish_epoch();
                    }
                }
                // What a checkpoint saves is all there is.
                let saved: WeightState = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
                prop_assert_eq!(saved, state);
            }
        }
    }

    #[test]
    fn an_epoch_without_a_task_is_not_remembered() {
        let mut state = WeightState::default();
        for losses in [[Some(1.0), Some(3.0)], [Some(3.0), None]] {
            state.note(&losses);
        }
        state.finish_epoch();
        state.note(&[Some(1.0), None]);
        state.finish_epoch();
        assert_eq!(state.history, [[2.0, 3.0]]);
    }
}
