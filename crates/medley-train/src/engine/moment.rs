//! Steps that are made to be timed or looked at.

use std::sync::Arc;
use std::time::{Duration, Instant};

use medley_core::Split;

use super::SeedRun;
use crate::TrainError;
use crate::dry_run::Clock;
use crate::observer::Observers;
use crate::stop::StopFlag;

/// Steps before those that are timed: the first ones allocate.
const WARM_UP: usize = 2;

impl SeedRun<'_> {
    /// Validation images of all tasks.
    pub(crate) fn validation_rows(&self) -> usize {
        self.data.val.rows().iter().sum()
    }

    /// Makes a step with each learning rate in turn; their losses, until one is not a number or four times the least so far.
    pub(crate) fn try_rates(
        &mut self,
        rates: &[f64],
        stop: &StopFlag,
        mut seen: impl FnMut(usize, f64),
    ) -> Result<Vec<f64>, TrainError> {
        let mut losses: Vec<f64> = Vec::with_capacity(rates.len());
        let mut least = f64::INFINITY;
        self.make_steps(|seed_run, loss| {
            if let Some(loss) = loss {
                losses.push(loss);
                least = least.min(loss);
                seen(losses.len(), loss);
                // A loss that may be negative has no multiple that would tell.
                if !loss.is_finite() || (least > 0.0 && loss > 4.0 * least) {
                    return false;
                }
            }
            let next = rates.get(losses.len()).filter(|_| !stop.requested());
            seed_run.progress.learning_rate = next.copied();
            next.is_some()
        })?;
        Ok(losses)
    }

    /// Seconds of a step by a clock, and of the prediction of some validation images, and how many those are: timed for about `span` each.
    pub(crate) fn time(&mut self, span: Duration, clock: Clock) -> Result<(f64, f64, usize), TrainError> {
        let (mut made, mut start, mut moment) = (0, Instant::now(), clock.now());
        self.make_steps(|_, loss| {
            made += usize::from(loss.is_some());
            if made == WARM_UP && loss.is_some() {
                (start, moment) = (Instant::now(), clock.now());
            }
            made <= WARM_UP || start.elapsed() < span
        })?;
        let step = moment.elapsed().as_secs_f64() / (made - WARM_UP).max(1) as f64;
        // As many images of each task as one batch holds.
        let predictor = self.predictor();
        let rows: Vec<usize> = self.data.val.rows().iter().map(|&rows| rows.min(predictor.batch_size)).collect();
        let predict = || {
            let (labels, observers) = (Some(&self.data.val_labels[..]), &mut Observers::default());
            predictor.predict(Split::Val, &self.val_assembler, &rows, labels, observers, &StopFlag::default())
        };
        predict()?;
        let start = clock.now();
        predict()?;
        Ok((step, start.elapsed().as_secs_f64(), rows.iter().sum()))
    }

    /// Makes one step after another while `goes_on` says so, which is asked before the first and then with the loss of each.
    fn make_steps(&mut self, mut goes_on: impl FnMut(&mut Self, Option<f64>) -> bool) -> Result<(), TrainError> {
        self.ask_teachers(&StopFlag::default())?;
        let mut loss = None;
        loop {
            let assembler = Arc::clone(&self.train_assembler);
            let mut stream = assembler.stream(self.requests(), true);
            while let Some(mut batch) = stream.next() {
                if !goes_on(self, loss) {
                    return Ok(());
                }
                loss = Some(self.train_batch(&mut batch, &mut Observers::default())?);
                stream.recycle(batch);
            }
            self.progress.epoch += 1;
            self.progress.step = 0;
        }
    }
}
