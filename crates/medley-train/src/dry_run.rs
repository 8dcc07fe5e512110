//! Training for a moment, to learn something about it. Nothing is written.
//!
//! [`Session::test_rates`] raises the learning rate from step to step until the loss does, and [`RangeTest`] says where it should lie.
//! [`Session::time_epoch`] times some steps, and says with that how many epochs fit into a span of time. A run that was planned so is an
//! ordinary run of that many epochs: the clock has decided once, before the first step, and the schedule of the learning rate knows
//! how long the run will be.

mod budget;
mod range_test;

use std::time::Duration;

use medley_core::RunLayout;

pub use budget::{Budget, Clock, Moment};
pub use range_test::{RangePoint, RangeTest, rates};

use crate::TrainError;
use crate::components::callbacks::Callbacks;
use crate::config::Experiment;
use crate::engine::{SeedRequest, SeedRun};
use crate::run::RestoreThreads;
use crate::sampler::Sampler;
use crate::session::Session;
use crate::stop::StopFlag;

/// Share of a span of time that is planned for: the rest is for what is not measured, such as checkpoints and the report.
const PLANNED_SHARE: f64 = 0.95;

/// What an epoch takes, as measured before the first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochTime {
    /// Seconds of a training step.
    pub step: f64,
    /// Training steps.
    pub steps: usize,
    /// Seconds of the validation.
    pub validation: f64,
    /// Seconds at the end of a seed: the predictions that are kept.
    pub end: f64,
}

impl EpochTime {
    /// Seconds of training and validation together.
    pub fn seconds(&self) -> f64 {
        self.step * self.steps as f64 + self.validation
    }

    /// Epochs that fit into this many seconds for one seed, at least 1.
    pub fn epochs_within(&self, seconds: f64) -> usize {
        let epochs = (seconds * PLANNED_SHARE - self.end) / self.seconds();
        // What no clock should say is 1.
        if epochs >= 1.0 { epochs as usize } else { 1 }
    }

    /// What it takes where so many replicas split each batch, each as fast as one that has all of it.
    #[must_use]
    pub fn split(self, replicas: usize) -> Self {
        let part = |seconds: f64| seconds / replicas.max(1) as f64;
        Self { step: part(self.step), validation: part(self.validation), end: part(self.end), ..self }
    }
}

impl Session<'_> {
    /// Times training and prediction for about two seconds, and says what an epoch takes: of processor time if that is what the budget
    /// of the experiment is in.
    ///
    /// # Errors
    /// As [`Session::start`], but for what concerns the run folder.
    pub fn time_epoch(&self, experiment: &Experiment) -> Result<EpochTime, TrainError> {
        // The longest epoch is planned for: one with nothing frozen.
        self.dry_run(&experiment.without_freeze(), |seed_run, test_rows| {
            let clock = match experiment.seed_budget() {
                Some(Budget::Time(_, clock)) => clock,
                _ => Clock::Wall,
            };
            let (step, validation, rows) = seed_run.time(Duration::from_secs(1), clock)?;
            let per_row = validation / rows.max(1) as f64;
            let (val_rows, steps) = (seed_run.validation_rows(), seed_run.steps_per_epoch());
            let end = per_row * (val_rows + test_rows) as f64;
            Ok(EpochTime { step, steps, validation: per_row * val_rows as f64, end })
        })
    }

    /// Optimizer steps in an epoch of the joint training.
    ///
    /// # Errors
    /// Bad data.
    pub fn steps_per_epoch(&self, experiment: &Experiment) -> Result<usize, TrainError> {
        let prepared = self.data_of(experiment)?;
        Ok(Sampler::of(experiment, 0, &prepared.learning.train.rows()).batches_per_epoch())
    }

    /// The loss of one step after another, each with the next of these learning rates, until one is not a number or four times the
    /// least so far.
    ///
    /// # Errors
    /// As [`Session::start`], but for what concerns the run folder.
    pub fn test_rates(
        &self,
        experiment: &Experiment,
        rates: &[f64],
        stop: &StopFlag,
        seen: impl FnMut(usize, f64),
    ) -> Result<RangeTest, TrainError> {
        // A loss that is not finite ends the test, whatever it would do to a run.
        let losses =
            self.dry_run(&experiment.with_patience(rates.len()), |seed_run, _| seed_run.try_rates(rates, stop, seen))?;
        Ok(RangeTest::new(rates, &losses))
    }

    /// Sets up the first seed of an experiment without a run folder. The work also gets the number of test images.
    fn dry_run<R>(
        &self,
        experiment: &Experiment,
        work: impl FnOnce(&mut SeedRun<'_>, usize) -> Result<R, TrainError>,
    ) -> Result<R, TrainError> {
        let ready = self.ready(experiment)?;
        // Never made: nothing is saved.
        let nowhere = RunLayout::new(std::env::temp_dir().join(format!("medley-no-run-{}", std::process::id())));
        let _threads = RestoreThreads::later();
        let mut seed_run = SeedRun::new(SeedRequest {
            experiment,
            data: &ready.prepared.learning,
            seed: experiment.seeds[0],
            plan: ready.choice.plan,
            pretrained: ready.pretrained.as_ref(),
            teachers: Some(&ready.teachers),
            parent: None,
            run: &nowhere,
            storage: self.storage(),
            callbacks: Callbacks::default(),
            stage: None,
        })?;
        crate::compute::prepare_process(&ready.choice.plan);
        work(&mut seed_run, ready.prepared.test.images.rows().iter().sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_epochs_as_fit() {
        let time = EpochTime { step: 0.1, steps: 50, validation: 1.0, end: 3.0 };
        assert_eq!(time.seconds(), 6.0);
        assert_eq!([0.0, 6.0, 70.0, 3600.0].map(|seconds| time.epochs_within(seconds)), [1, 1, 10, 569]);
        let free = EpochTime { step: 0.0, steps: 0, validation: 0.0, end: 0.0 };
        assert!(free.epochs_within(1.0) > 1_000);
        assert_eq!(EpochTime { step: f64::NAN, ..time }.epochs_within(60.0), 1);
    }
}
