//! What may act on the training of a seed, epoch by epoch.
//!
//! An [`Observer`](crate::observer::Observer) sees everything and changes nothing. A [`Callback`] is asked after each epoch what
//! shall happen: go on, stop, or go on with another learning rate. Early stopping and the time budget of `[stop]` are callbacks;
//! a program that uses this crate adds its own with [`Run::with_callbacks`](crate::run::Run::with_callbacks), to prune a search for
//! instance. What a callback remembers is saved with every checkpoint, so that an interrupted run goes on as if it had not been
//! interrupted, and one that was stopped stays stopped.
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
//! let report = EpochReport { seed: 0, epoch: 2, train_loss: 1.5, validation: &[], score: 0.1, best: true };
//! assert_eq!(callbacks.after_epoch(&report).stop.as_deref(), Some("pruned"));
//! ```

mod early_stopping;
mod time_budget;

use std::collections::BTreeMap;

use medley_core::record::TaskMetrics;
use serde_json::Value;

pub use early_stopping::EarlyStopping;
pub use time_budget::TimeBudget;

medley_core::keys! {
    /// `[stop]`: what ends the training of a seed before its last epoch. The schedule of the learning rate is laid out for all
    /// epochs and does not know of it.
    pub struct StopConfig {
        /// Epochs in a row without a better validation score after which a seed stops; left out, it does not.
        patience: Option<usize> = None, in 1..=100_000;
        /// By how much a score must exceed the best before it to count as better.
        min_delta: f64 = 0.0, in 0.0..=1.0;
        /// Minutes that a seed may train, over all processes that work on it, validation included; looked at after each epoch. What
        /// depends on it depends on the clock.
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
    /// Mean loss over the images of the epoch.
    pub train_loss: f64,
    /// Metrics of each task on the validation split.
    pub validation: &'a [TaskMetrics],
    /// What checkpoints are chosen by; larger is better.
    pub score: f64,
    /// Whether it is the best so far.
    pub best: bool,
}

/// What shall happen after an epoch.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// The next epoch, as planned.
    Continue,
    /// No further epoch, and why: half a sentence for people.
    Stop(String),
    /// The next epochs with this learning rate instead of the schedule's.
    LearningRate(f64),
}

/// Acts on the training of one seed.
pub trait Callback: Send {
    /// Says what shall happen, given what an epoch has brought.
    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action;

    /// What it remembers, for the checkpoint.
    fn state(&self) -> Value {
        Value::Null
    }

    /// Takes back what it remembered.
    ///
    /// # Errors
    /// Why the state cannot be its own.
    fn load_state(&mut self, state: &Value) -> Result<(), String> {
        let _ = state;
        Ok(())
    }
}

/// What all callbacks together want.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// Why to stop, as the first one says that wants to.
    pub stop: Option<String>,
    /// The learning rate that the last one sets that sets any.
    pub learning_rate: Option<f64>,
}

/// Several callbacks, each with a name that its state is saved under.
#[derive(Default)]
pub struct Callbacks {
    all: Vec<(String, Box<dyn Callback>)>,
}

impl Callbacks {
    /// Those of a config.
    pub fn configured(stop: &StopConfig) -> Self {
        let mut callbacks = Self::default();
        if let Some(patience) = stop.patience {
            callbacks.push("early_stopping", Box::new(EarlyStopping::new(patience, stop.min_delta)));
        }
        if let Some(minutes) = stop.minutes {
            callbacks.push("time_budget", Box::new(TimeBudget::new(minutes)));
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

    /// Asks every callback, also those after one that wants to stop.
    pub fn after_epoch(&mut self, report: &EpochReport<'_>) -> Decision {
        let mut decision = Decision::default();
        for (_, callback) in &mut self.all {
            match callback.after_epoch(report) {
                Action::Continue => {}
                Action::Stop(reason) => drop(decision.stop.get_or_insert(reason)),
                Action::LearningRate(rate) => decision.learning_rate = Some(rate),
            }
        }
        decision
    }

    /// What they remember, by name; those that remember nothing are left out.
    pub fn state(&self) -> BTreeMap<String, Value> {
        let states = self.all.iter().map(|(name, callback)| (name.clone(), callback.state()));
        states.filter(|(_, state)| !state.is_null()).collect()
    }

    /// Gives each what it remembered. One without a state starts afresh.
    ///
    /// # Errors
    /// The name and the reason of one that cannot use its state.
    pub fn load_state(&mut self, states: &BTreeMap<String, Value>) -> Result<(), (String, String)> {
        for (name, callback) in &mut self.all {
            if let Some(state) = states.get(name) {
                callback.load_state(state).map_err(|problem| (name.clone(), problem))?;
            }
        }
        Ok(())
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
        callback.after_epoch(&EpochReport { seed, epoch: epoch + 1, train_loss, validation: &[], score, best })
    };
    let mut undisturbed = make();
    let expected: Vec<Action> = (0..scores.len()).map(|epoch| ask(undisturbed.as_mut(), epoch)).collect();
    for interruption in 0..scores.len() {
        let mut before = make();
        for epoch in 0..interruption {
            ask(before.as_mut(), epoch);
        }
        let mut after = make();
        after.load_state(&before.state()).expect("a callback takes its own state");
        for (epoch, expected) in expected.iter().enumerate().skip(interruption) {
            assert_eq!(ask(after.as_mut(), epoch), *expected, "epoch {epoch}, interrupted after {interruption} epochs");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Always(Action);

    impl Callback for Always {
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
        let report = EpochReport { seed: 0, epoch: 1, train_loss: 1.0, validation: &[], score: 0.5, best: true };
        let expected = Decision { stop: Some("first".into()), learning_rate: Some(0.2) };
        assert_eq!(callbacks.after_epoch(&report), expected);
        assert!(callbacks.state().is_empty());
    }

    #[test]
    fn only_what_is_configured_is_there() {
        assert!(Callbacks::configured(&StopConfig::default()).all.is_empty());
        let all = StopConfig { patience: Some(2), min_delta: 0.0, minutes: Some(5.0) };
        let callbacks = Callbacks::configured(&all);
        assert_eq!(callbacks.state().keys().collect::<Vec<_>>(), ["early_stopping", "time_budget"]);
    }
}
