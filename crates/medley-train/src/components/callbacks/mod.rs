//! What may act on the training of a seed, epoch by epoch.
//!
//! An [`Observer`](crate::observer::Observer) sees everything and changes nothing. A [`Callback`] is asked before the first epoch
//! and after each what shall happen: go on, stop, go on with another learning rate, or with some parameters frozen. It may also end an
//! epoch before its last batch, which is validated like any other. Early stopping
//! and the time budget of `[stop]` are callbacks, and so is `[freeze]`; a program that uses this crate adds its own with
//! [`Run::with_callbacks`](crate::run::Run::with_callbacks), to prune a search for instance. What a callback remembers is saved with
//! every checkpoint, and so is what it has set, so that an interrupted run goes on as if it had not been interrupted, and one that was
//! stopped stays stopped.
//!
//! ```
//! use medley_train::components::callbacks::{Action, Callback, Callbacks, EpochReport};
//!
//! /// Gives up what is hopeless after two epochs.
//! struct Prune;
//!
//! impl Callback for Prune {
//!     fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
//!         if report.epoch == 2 && report.score < 0.3 { Action::Stop("pruned".into()) } else { Action::Continue }
//!     }
//! }
//!
//! let mut callbacks = Callbacks::default();
//! callbacks.push("prune", Box::new(Prune));
//! let report = EpochReport { seed: 0, epoch: 2, steps: 5, train_loss: 1.5, validation: &[], score: 0.1, best: true };
//! assert_eq!(callbacks.after_epoch(&report)?.stop.as_deref(), Some("pruned"));
//! # Ok::<(), medley_train::components::callbacks::CallbackError>(())
//! ```

mod early_stopping;
mod freeze;
mod state;
mod time_budget;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use medley_core::record::TaskMetrics;
use serde_json::Value;

use crate::dry_run::Budget;

pub use early_stopping::EarlyStopping;
pub use freeze::{Freeze, FreezeConfig};
pub use state::CallbackState;
pub use time_budget::TimeBudget;

medley_core::keys! {
    /// `[stop]`: what ends the training of a seed before its last epoch. The schedule of the learning rate is laid out for all
    /// epochs and does not know of it.
    pub struct StopConfig {
        /// Epochs in a row without a better validation score after which a seed stops; left out, it does not.
        patience: Option<usize> = None, in 1..=100_000;
        /// By how much a score must exceed the best before it to count as better.
        min_delta: f64 = 0.0, in 0.0..=1.0;
        /// Minutes that a seed may train, over all processes that work on it, validation included: the last epoch ends early, so that
        /// there is time for its validation. What depends on it depends on the clock.
        minutes: Option<f64> = None, in 1e-3..=1e6;
    }
}

/// What a callback learns of an epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EpochReport<'a> {
    /// Seed.
    pub seed: u64,
    /// Epochs finished, this one among them.
    pub epoch: usize,
    /// Optimizer steps of this epoch, fewer than it has where a callback has ended it early.
    pub steps: usize,
    /// Mean loss over the images of the epoch.
    pub train_loss: f64,
    /// Metrics of each task on the validation split.
    pub validation: &'a [TaskMetrics],
    /// What checkpoints are chosen by; larger is better.
    pub score: f64,
    /// Whether it is the best so far.
    pub best: bool,
}

/// What shall happen next.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The next epoch, as planned.
    Continue,
    /// No further epoch, and why: half a sentence for people.
    Stop(String),
    /// The next epochs with this learning rate instead of the schedule's.
    LearningRate(f64),
    /// The next epochs with those parameters as they are whose names match one of these patterns
    /// ([`Patterns`](super::patterns::Patterns)), until the same callback says otherwise; without a pattern it freezes none any more.
    /// What several callbacks and the config freeze adds up.
    Freeze(Vec<String>),
}

/// Acts on the training of one seed.
pub trait Callback: Send {
    /// Says how the first epoch shall be; it cannot stop then. An interrupted run that goes on does not begin.
    fn begin(&mut self) -> Action {
        Action::Continue
    }

    /// Says what shall happen, given what an epoch has brought.
    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action;

    /// Whether the epoch ends with the batch that was trained last: it is asked after each, and the validation follows.
    fn ends_epoch(&mut self) -> bool {
        false
    }

    /// What it remembers from epoch to epoch: saved with checkpoints, and loaded when a run goes on.
    fn state(&mut self) -> Option<&mut dyn CallbackState> {
        None
    }
}

/// What all callbacks together want.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Why to stop, as the first one says that wants to.
    pub stop: Option<String>,
    /// The learning rate that the last one sets that sets any.
    pub learning_rate: Option<f64>,
    /// Patterns on the names of the parameters that a callback freezes from now on, by callback; of those alone that say something new.
    pub frozen: BTreeMap<String, Vec<String>>,
}

/// A callback cannot go on from what it saved, or asked for what cannot be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("callback `{name}`: {problem}")]
pub struct CallbackError {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub problem: String,
}

/// Several callbacks, each with a name that its state is saved under.
#[derive(Default)]
pub struct Callbacks {
    all: Vec<(String, Box<dyn Callback>)>,
}

impl Callbacks {
    /// Those of a config; `budget` is the time that a seed may take by `train.budget`.
    pub fn configured(stop: &StopConfig, freeze: &FreezeConfig, budget: Option<Budget>) -> Self {
        let mut callbacks = Self::default();
        if let Some(patience) = stop.patience {
            callbacks.push("early_stopping", Box::new(EarlyStopping::new(patience, stop.min_delta)));
        }
        if let Some(minutes) = stop.minutes {
            let what = format!("`stop.minutes` = {minutes}");
            callbacks.push("time_budget", Box::new(TimeBudget::new(Duration::from_secs_f64(60.0 * minutes), what)));
        }
        // Steps are counted by the number of epochs.
        if let Some(Budget::Time(budget, clock)) = budget {
            let what = "the seed's share of `train.budget`".to_owned();
            callbacks.push("budget", Box::new(TimeBudget::by(clock, budget, what)));
        }
        if let Some(epochs) = freeze.epochs {
            callbacks.push("freeze", Box::new(Freeze::new(freeze.r#match.clone(), epochs)));
        }
        callbacks
    }

    /// Adds one, to be asked after those that are there.
    pub fn push(&mut self, name: impl Into<String>, callback: Box<dyn Callback>) {
        self.all.push((name.into(), callback));
    }

    /// Adds several.
    pub fn extend(&mut self, others: Self) {
        self.all.extend(others.all);
    }

    /// Asks every callback how the first epoch shall be.
    ///
    /// # Errors
    /// The first that asks for what cannot be done, to stop among it: no network would be there to be kept.
    pub fn begin(&mut self) -> Result<Decision, CallbackError> {
        self.ask(|callback| match callback.begin() {
            Action::Stop(reason) => Err(format!("it stops before the first epoch: {reason}")),
            action => Ok(action),
        })
    }

    /// Whether one of them ends the epoch here. Every one is asked.
    pub fn end_epoch(&mut self) -> bool {
        self.all.iter_mut().fold(false, |ends, (_, callback)| callback.ends_epoch() || ends)
    }

    /// Asks every callback, also those after one that wants to stop.
    ///
    /// # Errors
    /// The first that asks for what cannot be done.
    pub fn after_epoch(&mut self, report: &EpochReport<'_>) -> Result<Decision, CallbackError> {
        self.ask(|callback| Ok(callback.after_epoch(report)))
    }

    fn ask(&mut self, ask: impl Fn(&mut dyn Callback) -> Result<Action, String>) -> Result<Decision, CallbackError> {
        let mut decision = Decision::default();
        for (name, callback) in &mut self.all {
            let refuse = |problem| CallbackError { name: name.clone(), problem };
            match ask(callback.as_mut()).map_err(refuse)? {
                Action::Continue => {}
                Action::Stop(reason) => drop(decision.stop.get_or_insert(reason)),
                Action::LearningRate(rate) if rate.is_finite() && rate >= 0.0 => decision.learning_rate = Some(rate),
                Action::LearningRate(rate) => {
                    return Err(refuse(format!("{rate} is no learning rate: it must be finite and not negative")));
                }
                Action::Freeze(patterns) => drop(decision.frozen.insert(name.clone(), patterns)),
            }
        }
        Ok(decision)
    }

    /// What they remember, by name; those that remember nothing are left out.
    ///
    /// # Errors
    /// The first whose state cannot be saved.
    pub fn state(&mut self) -> Result<BTreeMap<String, Value>, CallbackError> {
        let mut states = BTreeMap::new();
        for (name, callback) in &mut self.all {
            if let Some(state) = callback.state() {
                let saved = state.save().map_err(|problem| CallbackError { name: name.clone(), problem })?;
                states.insert(name.clone(), saved);
            }
        }
        Ok(states)
    }

    /// Gives each what it remembered. One without a state starts afresh.
    ///
    /// # Errors
    /// The first that cannot use its state.
    pub fn load_state(&mut self, states: &BTreeMap<String, Value>) -> Result<(), CallbackError> {
        for (name, callback) in &mut self.all {
            if let (Some(saved), Some(state)) = (states.get(name), callback.state()) {
                state.load(saved).map_err(|problem| CallbackError { name: name.clone(), problem })?;
            }
        }
        Ok(())
    }

    /// Leaves of what callbacks remember, by name, only what is of one of these.
    pub fn retain_own(&self, states: &mut BTreeMap<String, Value>) {
        states.retain(|name, _| self.all.iter().any(|(known, _)| known == name));
    }

    /// Checks that each has a name of its own: what is saved under it is of one callback.
    ///
    /// # Errors
    /// The first name that is there twice.
    pub fn check_names(&self) -> Result<(), CallbackError> {
        let mut seen = BTreeSet::new();
        for (name, _) in &self.all {
            if !seen.insert(name) {
                let problem = "there are two of this name, and what they remember is saved by name".to_owned();
                return Err(CallbackError { name: name.clone(), problem });
            }
        }
        Ok(())
    }

    /// Checks that everything that has a state, or has frozen parameters, is there to go on: `needed` are the names.
    ///
    /// # Errors
    /// The first that is missing.
    pub fn check_complete<'n>(&self, needed: impl IntoIterator<Item = &'n String>) -> Result<(), CallbackError> {
        let is_missing = |name: &&String| !self.all.iter().any(|(known, _)| known == *name);
        match needed.into_iter().find(is_missing) {
            None => Ok(()),
            Some(name) => {
                let problem = "the run was trained with it and cannot be resumed without it; use the program that started the run";
                Err(CallbackError { name: name.clone(), problem: problem.to_owned() })
            }
        }
    }
}

/// That going on from a saved state is the same as never having stopped: what every [`Callback`] must pass whose answers depend on
/// the reports alone. `make` makes a fresh one, `scores` are those of the epochs of a run.
///
/// # Panics
/// When it fails.
pub fn check_callback(make: &dyn Fn() -> Box<dyn Callback>, scores: &[f64]) {
    let ask = |callback: &mut dyn Callback, epoch: usize| {
        let best = scores[..epoch].iter().all(|&earlier| scores[epoch] > earlier);
        let (seed, train_loss, score) = (0, 1.0, scores[epoch]);
        callback.after_epoch(&EpochReport {
            seed,
            epoch: epoch + 1,
            steps: 5,
            train_loss,
            validation: &[],
            score,
            best,
        })
    };
    let begun = || {
        let mut callback = make();
        callback.begin();
        callback
    };
    let mut undisturbed = begun();
    let expected: Vec<Action> = (0..scores.len()).map(|epoch| ask(undisturbed.as_mut(), epoch)).collect();
    for interruption in 0..scores.len() {
        let mut before = begun();
        for epoch in 0..interruption {
            ask(before.as_mut(), epoch);
        }
        let saved = before.state().map(|state| state.save().expect("a callback's state can be saved"));
        let mut after = make();
        if let (Some(saved), Some(state)) = (saved, after.state()) {
            state.load(&saved).expect("a callback takes its own state");
        }
        for (epoch, expected) in expected.iter().enumerate().skip(interruption) {
            assert_eq!(ask(after.as_mut(), epoch), *expected, "epoch {epoch}, interrupted after {interruption} epochs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dry_run::Clock;

    struct Always(Action);

    impl Callback for Always {
        fn begin(&mut self) -> Action {
            self.0.clone()
        }

        fn after_epoch(&mut self, _: &EpochReport<'_>) -> Action {
            self.0.clone()
        }
    }

    #[test]
    fn the_first_reason_and_the_last_rate_hold() {
        let mut callbacks = Callbacks::default();
        for (index, action) in [
            Action::LearningRate(0.1),
            Action::Stop("first".into()),
            Action::Continue,
            Action::Stop("second".into()),
            Action::LearningRate(0.2),
        ]
        .into_iter()
        .enumerate()
        {
            callbacks.push(index.to_string(), Box::new(Always(action)));
        }
        let report =
            EpochReport { seed: 0, epoch: 1, steps: 5, train_loss: 1.0, validation: &[], score: 0.5, best: true };
        let expected = Decision { stop: Some("first".into()), learning_rate: Some(0.2), ..Decision::default() };
        assert_eq!(callbacks.after_epoch(&report).unwrap(), expected);
        assert!(callbacks.state().unwrap().is_empty());
    }

    /// Does the same at the beginning and after each epoch.
    fn one(name: &str, action: Action) -> Callbacks {
        let mut callbacks = Callbacks::default();
        callbacks.push(name, Box::new(Always(action)));
        callbacks
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        let problem = |action| one("mine", action).begin().unwrap_err().to_string();
        assert_eq!(problem(Action::Stop("tired".into())), "callback `mine`: it stops before the first epoch: tired");
        for rate in [f64::NAN, f64::INFINITY, -1.0] {
            let message = problem(Action::LearningRate(rate));
            assert!(message.starts_with(&format!("callback `mine`: {rate} is no learning rate")), "{message}");
        }
        assert_eq!(one("mine", Action::LearningRate(0.0)).begin().unwrap().learning_rate, Some(0.0));
    }

    #[test]
    fn two_of_one_name_and_missing_ones_are_refused() {
        let mut callbacks = one("early_stopping", Action::Continue);
        callbacks.check_names().unwrap();
        callbacks.check_complete(&["early_stopping".to_owned()]).unwrap();
        let error = callbacks.check_complete(&["prune".to_owned()]).unwrap_err();
        assert!(error.to_string().starts_with("callback `prune`: the run was trained with it"), "{error}");
        let stop = StopConfig { patience: Some(2), ..StopConfig::default() };
        callbacks.extend(Callbacks::configured(&stop, &FreezeConfig::default(), None));
        let error = callbacks.check_names().unwrap_err();
        assert!(error.to_string().starts_with("callback `early_stopping`: there are two of this name"), "{error}");
    }

    #[test]
    fn only_what_is_configured_is_there() {
        let names = |callbacks: Callbacks| callbacks.all.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert!(names(Callbacks::configured(&StopConfig::default(), &FreezeConfig::default(), None)).is_empty());
        let stop = StopConfig { patience: Some(2), min_delta: 0.0, minutes: Some(5.0) };
        let freeze = FreezeConfig { r#match: vec!["heads.*".into()], epochs: Some(1) };
        let budget = Some(Budget::Time(Duration::from_mins(1), Clock::Wall));
        let all = ["early_stopping", "time_budget", "budget", "freeze"];
        assert_eq!(names(Callbacks::configured(&stop, &freeze, budget)), all);
        let mut callbacks = Callbacks::configured(&stop, &freeze, None);
        assert_eq!(callbacks.state().unwrap().keys().collect::<Vec<_>>(), ["early_stopping", "time_budget"]);
        let frozen = BTreeMap::from([("freeze".to_owned(), vec!["heads.*".to_owned()])]);
        assert_eq!(callbacks.begin().unwrap(), Decision { frozen, ..Decision::default() });
    }
}
