//! Schedules: the learning rate as a function of the step. Pure.
//!
//! All rise to the peak first (`warmup`), in a straight line unless they say otherwise; a [`Schedule`] says what follows. To add one: a file here with its
//! keys, and a line in the registry.

mod constant;
mod cosine;
mod linear;
mod multi_step;
mod one_cycle;
mod trapezoid;

use super::{Component, registry};

pub use constant::Constant;
pub use cosine::Cosine;
pub use linear::Linear;
pub use multi_step::MultiStep;
pub use one_cycle::OneCycle;
pub use trapezoid::Trapezoid;

/// `[schedule]`
pub type ScheduleConfig = Component<ScheduleChoice, ScheduleKeys>;

/// The shape of a learning rate.
pub trait Schedule {
    /// The rate after the warm-up as a share of its peak, above 0 and at most 1.
    fn factor(&self, position: Position) -> f64;

    /// The rate in step `step` of a warm-up of `warmup` steps, counted from 0, as a share of the peak that the last one reaches.
    fn rise(&self, step: usize, warmup: usize) -> f64 {
        (step + 1) as f64 / warmup as f64
    }
}

/// A step of a run after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Counted from 0, the warm-up included; below `steps`.
    pub step: usize,
    /// Steps of the warm-up, at most `step`.
    pub warmup: usize,
    /// All steps of the run.
    pub steps: usize,
}

impl Position {
    /// From 0 at the end of the warm-up to 1 at the last step.
    pub fn progress(self) -> f64 {
        let length = (self.steps - 1).saturating_sub(self.warmup).max(1);
        (self.step - self.warmup) as f64 / length as f64
    }

    /// Share of all steps that are done, the warm-up among them: `[0, 1)`.
    pub fn done(self) -> f64 {
        self.step as f64 / self.steps as f64
    }
}

registry! {
    /// The schedules.
    ScheduleChoice: dyn Schedule = "schedule" {
        Cosine(Cosine) = "cosine",
        Constant(Constant) = "constant",
        Linear(Linear) = "linear",
        MultiStep(MultiStep) = "multi_step",
        OneCycle(OneCycle) = "one_cycle",
        Trapezoid(Trapezoid) = "trapezoid",
    }
}

medley_core::keys! {
    /// The learning rate over a run; it changes with every step.
    pub struct ScheduleKeys {
        /// Share of all steps in which the rate rises to its peak: in a straight line, but for `one_cycle`.
        warmup: f64 = 0.15, in 0.0..=1.0;
    }
}

/// The learning rate of every step of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct LearningRate {
    config: ScheduleConfig,
    peak: f64,
    steps: usize,
}

impl LearningRate {
    /// That of a schedule over `steps` steps with the given peak.
    pub fn new(config: &ScheduleConfig, peak: f64, steps: usize) -> Self {
        Self { config: config.clone(), peak, steps }
    }

    /// The rate of step `step`, counted from 0. Steps beyond the last keep the last rate.
    pub fn at(&self, step: usize) -> f64 {
        let steps = self.steps.max(1);
        let step = step.min(steps - 1);
        let warmup = (self.config.warmup * steps as f64).round() as usize;
        let schedule = &self.config.choice;
        let share =
            if step < warmup { schedule.rise(step, warmup) } else { schedule.factor(Position { step, warmup, steps }) };
        self.peak * share
    }
}

/// The rates of `steps` steps with a peak of 1 and no warm-up: for tests of schedules.
#[cfg(test)]
fn rates(choice: ScheduleChoice, steps: usize) -> Vec<f64> {
    let config = ScheduleConfig { choice, common: ScheduleKeys { warmup: 0.0 } };
    let rate = LearningRate::new(&config, 1.0, steps);
    (0..steps).map(|step| rate.at(step)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Choice as _;
    use super::*;

    fn schedule(name: &str, warmup: f64, steps: usize) -> LearningRate {
        let choice = ScheduleChoice::read(name, toml::Table::new()).unwrap();
        LearningRate::new(&ScheduleConfig { choice, common: ScheduleKeys { warmup } }, 2.0, steps)
    }

    #[test]
    fn the_rate_rises_to_its_peak_first() {
        for name in ScheduleChoice::NAMES {
            let rate = schedule(name, 0.1, 100);
            let first = if *name == "one_cycle" { 0.08 } else { 0.2 };
            assert!((rate.at(0) - first).abs() < 1e-12, "{name}");
            assert!((1..10).all(|step| rate.at(step) > rate.at(step - 1)), "{name}");
            assert!((rate.at(9) - 2.0).abs() < 1e-12, "{name}");
            assert!((rate.at(10) - 2.0).abs() < 1e-3, "{name}");
            assert_eq!(rate.at(1_000), rate.at(99));
        }
    }

    proptest! {
        #[test]
        fn every_schedule_is_positive_and_never_above_the_peak(
            steps in 1_usize..500, step in 0_usize..600, warmup in 0.0..=1.0_f64,
        ) {
            for name in ScheduleChoice::NAMES {
                let rate = schedule(name, warmup, steps).at(step);
                prop_assert!(rate > 0.0 && rate <= 2.0 + 1e-12, "{:?} {}", name, rate);
            }
        }
    }
}
