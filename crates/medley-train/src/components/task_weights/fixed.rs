use std::collections::BTreeMap;

use super::{TaskWeighting, WeightPosition, WeightState};

medley_core::keys! {
    /// Weights of one's own.
    pub struct Fixed {
        /// By task, such as `{ retinamnist = 2.0 }`; 1 for those that are left out.
        weights: BTreeMap<String, f64> = BTreeMap::new(), in 0.0..=1e6;
    }
}

impl TaskWeighting for Fixed {
    fn weights(&self, _state: &WeightState, position: WeightPosition<'_>) -> Vec<f64> {
        position.tasks.iter().map(|task| self.weights.get(task).copied().unwrap_or(1.0)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_that_is_left_out_weighs_one() {
        let fixed = Fixed { weights: BTreeMap::from([("b".to_owned(), 2.5)]) };
        let tasks = ["a", "b"].map(str::to_owned);
        let position = WeightPosition { seed: 0, step: 0, tasks: &tasks };
        assert_eq!(fixed.weights(&WeightState::default(), position), [1.0, 2.5]);
    }
}
