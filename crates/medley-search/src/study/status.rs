use std::collections::BTreeMap;

use serde::Serialize;

use super::trials::Trials;
use super::{Study, TrialRecord};
use crate::{Point, SearchError, TrialState};

/// A study at a glance.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    /// Trials that there may be; `None` where only time is limited.
    pub budget: Option<u64>,
    /// Seconds that workers may spend, all together, if that is limited.
    pub seconds_allowed: Option<f64>,
    /// Seconds that they have spent.
    pub seconds: f64,
    /// Trials in each state; states without trials are left out.
    pub counts: BTreeMap<TrialState, usize>,
    /// Whether it is stopped.
    pub stopped: bool,
    /// The best finished trial.
    pub best: Option<Best>,
}

/// The best finished trial; of equal ones, the first.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Best {
    /// Its number.
    pub number: u64,
    /// Its value.
    pub value: f64,
    /// What it tried.
    pub point: Point,
}

impl Study {
    /// All trials, by number. One that cannot be read is said to have failed, and hides no other.
    ///
    /// # Errors
    /// [`SearchError::Unlistable`].
    pub fn trials(&self) -> Result<Vec<TrialRecord>, SearchError> {
        let mut trials = Trials::default();
        trials.refresh(self)?;
        Ok(trials.records())
    }

    /// How many trials there are, and the best.
    ///
    /// # Errors
    /// As [`Study::trials`] and [`Study::budget`].
    pub fn status(&self) -> Result<Status, SearchError> {
        Ok(self.status_and_trials()?.0)
    }

    /// [`Study::status`] and [`Study::trials`], of one reading: each counted trial is in the list as it was counted.
    ///
    /// # Errors
    /// As those two.
    pub fn status_and_trials(&self) -> Result<(Status, Vec<TrialRecord>), SearchError> {
        let mut trials = Trials::default();
        trials.refresh(self)?;
        let mut counts = BTreeMap::new();
        for trial in trials.iter() {
            *counts.entry(trial.state).or_insert(0) += 1;
        }
        let status = Status {
            budget: Some(self.budget()?).filter(|trials| *trials < u64::MAX),
            seconds_allowed: self.time()?.map(|time| time.as_secs_f64()),
            seconds: self.clock()?.seconds,
            counts,
            stopped: self.is_stopped(),
            best: self.best_of(&trials),
        };
        Ok((status, trials.records()))
    }

    fn best_of(&self, trials: &Trials) -> Option<Best> {
        let loss = |value: f64| self.definition().direction.loss(value);
        let finished = trials.iter().filter_map(|trial| Some((trial, trial.value?)));
        let (trial, value) = finished.min_by(|(_, a), (_, b)| loss(*a).total_cmp(&loss(*b)))?;
        Some(Best { number: trial.number, value, point: trial.point.clone() })
    }
}
