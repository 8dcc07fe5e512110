//! What is known of a run of `auto` while it goes on, so that it can go on after it was stopped.

use std::path::Path;

use medley_storage::{RealFs, if_present, read_file, write_whole};
use medley_studies::auto::PhaseRecord;
use serde::{Deserialize, Serialize};

use super::plan::TimePlan;
use super::schedule::Finishing;
use crate::TuneError;

/// Name of the record in the folder.
pub const FILE: &str = "progress.json";
/// Most bytes of it.
const MAX_BYTES: u64 = 4 << 20;
/// Schema of the record.
const SCHEMA: u32 = 3;

/// `progress.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Of the record.
    pub schema: u32,
    /// Version of the program that began.
    pub medley: String,
    /// Tasks that were named.
    pub tasks: Vec<String>,
    /// The config to begin from, as it was read; `None` for the default recipe.
    pub base: Option<String>,
    /// Seconds that are allowed, over all processes that work on it.
    pub budget: f64,
    /// Of the search.
    pub seed: u64,
    /// Seconds that were spent.
    pub spent: f64,
    /// How long trials are, once that is known.
    pub plan: Option<TimePlan>,
    /// What follows the last network, once that was timed.
    pub finishing: Option<Finishing>,
    /// How the time was spent.
    pub phases: Vec<PhaseRecord>,
    /// Whether report and package are written.
    pub finished: bool,
}

impl State {
    pub(super) fn new(tasks: Vec<String>, base: Option<String>, budget: f64, seed: u64) -> Self {
        let medley = env!("CARGO_PKG_VERSION").to_owned();
        let (spent, plan, finishing, phases, finished) = (0.0, None, None, Vec::new(), false);
        Self { schema: SCHEMA, medley, tasks, base, budget, seed, spent, plan, finishing, phases, finished }
    }

    /// The record in a folder, if there is one.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, TuneError> {
        let path = folder.join(FILE);
        let Some(bytes) = if_present(read_file(&path, MAX_BYTES))? else { return Ok(None) };
        let damaged = |problem: String| TuneError::Damaged { path: path.clone(), problem };
        let state: Self = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if state.schema != SCHEMA || !state.spent.is_finite() || state.spent < 0.0 {
            return Err(damaged("it is not a record of this version".to_owned()));
        }
        if state.plan.is_some_and(|plan| !plan.is_sound(state.budget)) {
            return Err(damaged("its plan has times that cannot be".to_owned()));
        }
        Ok(Some(state))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), TuneError> {
        let bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        Ok(write_whole(&RealFs, &folder.join(FILE), &bytes).map_err(medley_search::SearchError::from)?)
    }

    /// What differs from another request; `None` where they are the same.
    pub(super) fn difference(&self, other: &Self) -> Option<&'static str> {
        [
            (self.tasks != other.tasks, "--task"),
            (self.base != other.base, "--config"),
            (self.budget != other.budget, "--budget"),
            (self.seed != other.seed, "--seed"),
            (self.medley != other.medley, "the version of medley"),
        ]
        .into_iter()
        .find_map(|(differs, what)| differs.then_some(what))
    }

    /// Adds to the time of a phase.
    pub(super) fn add(&mut self, name: &str, seconds: f64) {
        match self.phases.iter_mut().find(|phase| phase.name == name) {
            Some(phase) => phase.seconds += seconds,
            None => self.phases.push(PhaseRecord { name: name.to_owned(), seconds }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State::new(vec!["breastmnist".into()], None, 60.0, 0)
    }

    #[test]
    fn what_was_asked_for_is_compared() {
        assert_eq!(state().difference(&state()), None);
        let later = State { spent: 30.0, finished: true, ..state() };
        assert_eq!(state().difference(&later), None);
        assert_eq!(state().difference(&State { budget: 61.0, ..state() }), Some("--budget"));
        assert_eq!(state().difference(&State { base: Some(String::new()), ..state() }), Some("--config"));
    }

    #[test]
    fn it_is_read_as_it_was_written_or_refused() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), None);
        let mut written = state();
        written.add("search", 2.0);
        written.add("search", 3.0);
        assert_eq!(written.phases[0].seconds, 5.0);
        written.write(folder.path()).unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), Some(written.clone()));
        for text in ["{", "{}", &serde_json::to_string(&State { schema: 9, ..written }).unwrap()] {
            write_whole(&RealFs, &folder.path().join(FILE), text.as_bytes()).unwrap();
            let message = State::read(folder.path()).unwrap_err().to_string();
            assert!(message.contains("progress.json"), "{message}");
        }
    }
}
