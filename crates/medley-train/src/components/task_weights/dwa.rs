use super::{TaskWeighting, WeightPosition, WeightState, softmax};

medley_core::keys! {
    /// Dynamic weight average (Liu et al., *End-to-End Multi-Task Learning with Attention*, 2019, equation 7): tasks whose loss falls
    /// slowest from epoch to epoch weigh most. All weigh 1 in the first two epochs.
    pub struct Dwa {
        /// A high one makes weights equal.
        temperature: f64 = 2.0, in 0.01..=1000.0;
    }
}

impl TaskWeighting for Dwa {
    fn weights(&self, state: &WeightState, position: WeightPosition<'_>) -> Vec<f64> {
        let [older, newer] = &state.history[..] else { return vec![1.0; position.tasks.len()] };
        let rates: Vec<f64> =
            newer.iter().zip(older).map(|(newer, older)| newer / older.max(1e-12) / self.temperature).collect();
        if rates.iter().all(|rate| rate.is_finite()) { softmax(&rates) } else { vec![1.0; position.tasks.len()] }
    }

    fn needs_positive_losses(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_paper() {
        let tasks = ["a", "b"].map(str::to_owned);
        let position = WeightPosition { seed: 0, step: 0, tasks: &tasks };
        let dwa = Dwa { temperature: 2.0 };
        let mut state = WeightState { history: vec![vec![2.0, 1.0]], ..WeightState::default() };
        assert_eq!(dwa.weights(&state, position), [1.0, 1.0]);
        state.history.push(vec![1.0, 0.9]);
        let [a, b] = [(0.5_f64 / 2.0).exp(), (0.9_f64 / 2.0).exp()];
        for (weight, expected) in dwa.weights(&state, position).iter().zip([2.0 * a / (a + b), 2.0 * b / (a + b)]) {
            assert!((weight - expected).abs() < 1e-12);
        }
    }
}
