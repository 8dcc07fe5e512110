//! The learning rate as a function of the step. Pure.

use std::f64::consts::PI;

use crate::config::schema::{ScheduleConfig, ScheduleName};

/// The learning rate of every step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    config: ScheduleConfig,
    peak: f64,
    steps: usize,
}

impl Schedule {
    /// A schedule over `steps` steps with the given peak.
    pub fn new(config: &ScheduleConfig, peak: f64, steps: usize) -> Self {
        Self { config: config.clone(), peak, steps }
    }

    /// The rate of step `step`, counted from 0. Steps beyond the last keep the last rate.
    pub fn rate(&self, step: usize) -> f64 {
        let last = self.steps.saturating_sub(1);
        let step = step.min(last);
        let warmup = (self.config.warmup * self.steps as f64).round() as usize;
        if step < warmup {
            return self.peak * (step + 1) as f64 / warmup as f64;
        }
        let length = last.saturating_sub(warmup).max(1);
        let progress = (step - warmup) as f64 / length as f64;
        let low = self.config.final_ratio;
        let ratio = match self.config.name {
            ScheduleName::Constant => 1.0,
            ScheduleName::Linear => 1.0 - (1.0 - low) * progress,
            ScheduleName::Cosine => low + (1.0 - low) * 0.5 * (1.0 + (PI * progress).cos()),
            // Fractions of the whole run, as MultiStepLR(milestones=[0.5, 0.75] * epochs, gamma=0.1).
            ScheduleName::MultiStep => match step as f64 / self.steps as f64 {
                part if part < 0.5 => 1.0,
                part if part < 0.75 => 0.1,
                _ => 0.01,
            },
        };
        self.peak * ratio
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn schedule(name: ScheduleName, warmup: f64, steps: usize) -> Schedule {
        Schedule::new(&ScheduleConfig { name, warmup, final_ratio: 0.01 }, 2.0, steps)
    }

    #[test]
    fn cosine_rises_to_the_peak_and_falls_to_the_end() {
        let schedule = schedule(ScheduleName::Cosine, 0.1, 100);
        assert!((schedule.rate(0) - 0.2).abs() < 1e-12);
        assert!((schedule.rate(9) - 2.0).abs() < 1e-12);
        assert!((schedule.rate(10) - 2.0).abs() < 1e-12);
        assert!((schedule.rate(99) - 0.02).abs() < 1e-12);
        assert_eq!(schedule.rate(1_000), schedule.rate(99));
    }

    #[test]
    fn multi_step_is_the_official_schedule() {
        let schedule = schedule(ScheduleName::MultiStep, 0.0, 100);
        let rates: Vec<_> = [0, 49, 50, 74, 75, 99].iter().map(|&step| schedule.rate(step)).collect();
        assert_eq!(rates, [2.0, 2.0, 0.2, 0.2, 0.02, 0.02]);
    }

    proptest! {
        #[test]
        fn rates_are_positive_and_never_above_the_peak(
            steps in 1_usize..500, step in 0_usize..600, warmup in 0.0..=1.0_f64,
        ) {
            for name in [ScheduleName::Constant, ScheduleName::Linear, ScheduleName::Cosine, ScheduleName::MultiStep] {
                let rate = schedule(name, warmup, steps).rate(step);
                prop_assert!(rate > 0.0 && rate <= 2.0 + 1e-12, "{:?} {}", name, rate);
            }
        }
    }
}
