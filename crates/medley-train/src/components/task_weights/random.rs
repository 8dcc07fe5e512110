use medley_core::seed::{Purpose, stream};
use rand::RngExt as _;

use super::{TaskWeighting, WeightPosition, WeightState, softmax};

medley_core::keys! {
    /// Random loss weighting (Lin et al., *Reasonable Effectiveness of Random Weighting*, 2022): in each step, the softmax of normal
    /// numbers, scaled to a mean of 1.
    pub struct RandomWeights {}
}

impl TaskWeighting for RandomWeights {
    fn weights(&self, _state: &WeightState, position: WeightPosition<'_>) -> Vec<f64> {
        let mut random = stream(position.seed, Purpose::Network, &[u64::MAX, position.step]);
        // Two uniform numbers make a normal one (Box and Muller, 1958).
        let mut normal = || {
            let (radius, angle): (f64, f64) = (1.0 - random.random::<f64>(), random.random());
            (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
        };
        softmax(&position.tasks.iter().map(|_| normal()).collect::<Vec<f64>>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_differ_from_step_to_step_around_one() {
        let tasks = ["a", "b"].map(str::to_owned);
        let at = |step| {
            let position = WeightPosition { seed: 3, step, tasks: &tasks };
            RandomWeights::default().weights(&WeightState::default(), position)
        };
        assert_ne!(at(0), at(1));
        let mean = (0..2000).map(|step| at(step)[0]).sum::<f64>() / 2000.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert!((at(5).iter().sum::<f64>() - 2.0).abs() < 1e-12);
    }
}
