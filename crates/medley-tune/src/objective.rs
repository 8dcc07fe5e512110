//! The objective of a study: a trial is trained.

use medley_core::seed::{Purpose, number};
use medley_data::Registry;
use medley_search::{Evaluation, Objective, PrunerConfig, Study, Trial, Verdict};
use medley_train::session::Session;
use medley_train::stop::StopFlag;

use crate::part::{Advanced, Next, Part};
use crate::plan::overrides;
use crate::{Plan, TuneError, study};

/// Seeds of trials are below this number, and fresh ones for confirmation are not.
pub(crate) const FRESH_SEEDS: u64 = 1_000_000;

/// Trains trials.
pub struct Trainer<'a> {
    study: &'a Study,
    plan: Plan,
    session: &'a Session<'a>,
    registry: &'a Registry,
    stop: StopFlag,
    failure: Option<TuneError>,
}

impl<'a> Trainer<'a> {
    /// One that trains on the data of a session. `stop` puts the trial that is trained back, and ends the worker.
    ///
    /// # Errors
    /// As [`study::base`], and where `[objective]` cannot be read.
    pub fn new(
        study: &'a Study,
        session: &'a Session<'a>,
        registry: &'a Registry,
        stop: StopFlag,
    ) -> Result<Self, TuneError> {
        study::base(study)?;
        let plan = Plan::of(study.definition())?;
        Ok(Self { study, plan, session, registry, stop, failure: None })
    }

    /// Why the worker ended, if that was for something that no other trial could do better: data that are gone, a full disk.
    ///
    /// # Errors
    /// That.
    pub fn into_failure(self) -> Result<(), TuneError> {
        self.failure.map_or(Ok(()), Err)
    }

    /// The runs of a trial.
    fn parts(&self, trial: &Trial) -> Result<Vec<Part>, TuneError> {
        // Not one that was edited while this worker works.
        let base = study::base(self.study)?;
        let settings = overrides(&trial.settings);
        let part = |index: usize| {
            // All folds begin with the same seed: they differ in their rows alone.
            let of_seed = if self.plan.folds.is_some() { 0 } else { index as u64 };
            let seed = number(trial.seed, Purpose::Search, &[of_seed]) % FRESH_SEEDS;
            let suffix = match self.plan {
                Plan { folds: Some(_), .. } => format!("-fold{index}"),
                Plan { seeds: 1, .. } => String::new(),
                _ => format!("-part{index}"),
            };
            let name = format!("trial-{}{suffix}", trial.number);
            let overrides = self.plan.with_part(&settings, index, seed);
            Part::new(&base, overrides, self.registry, trial.folder.clone(), name, seed)
        };
        (0..self.plan.parts()).map(part).collect()
    }

    fn train(&self, trial: &Trial, report: &mut Report<'_>) -> Result<Evaluation, TuneError> {
        let parts = self.parts(trial)?;
        if let [part] = parts.as_slice() {
            let each_epoch = |epoch: usize, best: f64| report(epoch as u64, best);
            if part.advance(self.session, &self.stop, each_epoch)? != Advanced::Finished {
                return Ok(Evaluation::Stopped);
            }
            return Ok(Evaluation::Finished(mean(&parts)));
        }
        let done = trial.rungs.last().map_or(0, |(rung, _)| *rung);
        for rung in self.rungs(trial.number, &parts).into_iter().filter(|rung| *rung > done) {
            for part in &parts {
                if !self.advance_to(part, rung)? {
                    return Ok(Evaluation::Stopped);
                }
            }
            if report(rung, mean(&parts)) == Next::Stop {
                return Ok(Evaluation::Stopped);
            }
        }
        for part in &parts {
            if part.advance(self.session, &self.stop, |_, _| Next::Epoch)? != Advanced::Finished {
                return Ok(Evaluation::Stopped);
            }
        }
        Ok(Evaluation::Finished(mean(&parts)))
    }

    /// Trains a part until so many epochs are finished; `false` where a stop was asked for before.
    fn advance_to(&self, part: &Part, rung: u64) -> Result<bool, TuneError> {
        if part.progress().0 as u64 >= rung {
            return Ok(true);
        }
        let until = |epoch: usize, _| if epoch as u64 >= rung { Next::Stop } else { Next::Epoch };
        Ok(part.advance(self.session, &self.stop, until)? != Advanced::Interrupted)
    }

    /// Where a trial of several runs reports: at the levels of the pruner, or after every epoch where that may act at each. Without a
    /// pruner, at powers of two, so that progress is seen and the time of the study is heeded.
    fn rungs(&self, number: u64, parts: &[Part]) -> Vec<u64> {
        let epochs = parts.iter().map(Part::epochs).max().unwrap_or(0) as u64;
        let pruner = &self.study.definition().pruner;
        let rungs = match pruner {
            PrunerConfig::None => (0..63).map(|power| 1 << power).collect(),
            pruner => pruner.levels(number).unwrap_or_else(|| (1..epochs).collect()),
        };
        rungs.into_iter().take_while(|rung: &u64| *rung < epochs).collect()
    }
}

/// Reports a rung, and says what follows.
type Report<'r> = dyn FnMut(u64, f64) -> Next + 'r;

/// The mean over the parts of the best score so far.
fn mean(parts: &[Part]) -> f64 {
    let scores = parts.iter().map(|part| part.progress().1.unwrap_or(f64::NAN));
    defined(scores.sum::<f64>() / parts.len().max(1) as f64)
}

/// A selection that is not defined is the least number there is, or in a mean below all scores: then there is no value.
fn defined(score: f64) -> f64 {
    if score > -1e300 { score } else { f64::NAN }
}

impl Objective for Trainer<'_> {
    fn is_interrupted(&self) -> bool {
        self.stop.requested()
    }

    fn evaluate(&mut self, trial: &Trial, report: &mut dyn FnMut(u64, f64) -> Verdict) -> Result<Evaluation, String> {
        let mut answer = |rung: u64, value: f64| match report(rung, defined(value)) {
            Verdict::Continue => Next::Epoch,
            _ => Next::Stop,
        };
        match self.train(trial, &mut answer) {
            Ok(evaluation) => Ok(evaluation),
            Err(error) if error.is_of_the_trial() => Err(error.to_string()),
            Err(error) => {
                self.failure = Some(error);
                Ok(Evaluation::Stopped)
            }
        }
    }
}
