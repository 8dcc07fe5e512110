use std::f64::consts::PI;

use super::{Position, Schedule};

medley_core::keys! {
    /// One cycle (Smith and Topin, *Super-Convergence*, 2018), as `torch.optim.lr_scheduler.OneCycleLR` with cosines: up to the peak in
    /// the warm-up, where `warmup = 0.3` is usual, and down from there. The momentum stays.
    pub struct OneCycle {
        /// The first rate as a share of the peak.
        initial_ratio: f64 = 0.04, in 1e-9..=1.0;
        /// The last rate as a share of the first.
        final_ratio: f64 = 1e-4, in 1e-9..=1.0;
    }
}

/// Half a cosine from one value to another.
fn between(from: f64, to: f64, progress: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (PI * progress).cos())
}

impl Schedule for OneCycle {
    fn rise(&self, step: usize, warmup: usize) -> f64 {
        // The last step of the warm-up is at the peak, and the first at the initial rate unless it is the last.
        let progress = if warmup > 1 { step as f64 / (warmup - 1) as f64 } else { 1.0 };
        between(self.initial_ratio, 1.0, progress)
    }

    fn factor(&self, position: Position) -> f64 {
        // The peak is the last step of the warm-up, if there is one.
        let start = position.warmup.saturating_sub(1);
        let length = (position.steps - 1).saturating_sub(start).max(1);
        let progress = (position.step - start) as f64 / length as f64;
        between(1.0, self.initial_ratio * self.final_ratio, progress)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{LearningRate, ScheduleChoice, ScheduleConfig, ScheduleKeys};
    use super::*;

    /// The rates of `OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3)` of `PyTorch` 2.11.
    #[test]
    fn it_is_that_of_pytorch() {
        const EXPECTED: [f64; 10] = [
            0.040_000_000_000_000_036,
            0.52,
            1.0,
            0.950_484_632_013_473_7,
            0.811_745_653_949_763_1,
            0.611_262_021_936_289_3,
            0.388_741_978_063_710_75,
            0.188_258_346_050_236_97,
            0.049_519_367_986_526_286,
            4e-06,
        ];
        let config = ScheduleConfig {
            choice: ScheduleChoice::OneCycle(OneCycle::default()),
            common: ScheduleKeys { warmup: 0.3 },
        };
        let rate = LearningRate::new(&config, 1.0, 10);
        for (step, expected) in EXPECTED.into_iter().enumerate() {
            assert!((rate.at(step) - expected).abs() < 1e-12, "step {step}: {} {expected}", rate.at(step));
        }
    }
}
