use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Action, Callback, CallbackState, EpochReport};
use crate::dry_run::{Clock, Moment};

/// Stops when a seed has trained for so long, in this process and those before it. The last epoch ends as early as its validation needs,
/// by what the longest one so far took; before the first, nothing is known of that.
#[derive(Debug, Clone)]
pub struct TimeBudget {
    budget: Duration,
    /// What says so.
    what: String,
    spent: Spent,
    /// Since when `spent` does not count.
    since: Moment,
    /// The last batch of the epoch in progress.
    last_batch: Option<Moment>,
    clock: Clock,
}

/// What is remembered, in seconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
struct Spent {
    seconds: f64,
    /// Of the longest validation.
    validation: f64,
}

/// The same as it is read: earlier versions wrote the time alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Saved {
    Seconds(f64),
    Both { seconds: f64, validation: f64 },
}

impl TryFrom<Saved> for Spent {
    type Error = String;

    fn try_from(saved: Saved) -> Result<Self, String> {
        let (seconds, validation) = match saved {
            Saved::Seconds(seconds) => (seconds, 0.0),
            Saved::Both { seconds, validation } => (seconds, validation),
        };
        match [seconds, validation].into_iter().find(|number| !(number.is_finite() && *number >= 0.0)) {
            None => Ok(Self { seconds, validation }),
            Some(number) => Err(format!("{number} is no number of seconds")),
        }
    }
}

impl TimeBudget {
    /// The clock starts now. `what` names the limit in the reason for the stop.
    pub fn new(budget: Duration, what: String) -> Self {
        Self::by(Clock::Wall, budget, what)
    }

    /// The same by another clock.
    pub fn by(clock: Clock, budget: Duration, what: String) -> Self {
        let spent = Spent { seconds: 0.0, validation: 0.0 };
        Self { budget, what, spent, since: clock.now(), last_batch: None, clock }
    }

    /// All seconds until now, those of earlier processes among them.
    fn spent(&mut self) -> &mut Spent {
        let since = std::mem::replace(&mut self.since, self.clock.now());
        self.spent.seconds += since.elapsed().as_secs_f64();
        &mut self.spent
    }

    /// Whether there is no time for more than a validation.
    fn is_over(&mut self) -> bool {
        let Spent { seconds, validation } = *self.spent();
        seconds + validation >= self.budget.as_secs_f64()
    }
}

impl Callback for TimeBudget {
    fn ends_epoch(&mut self) -> bool {
        self.last_batch = Some(self.clock.now());
        self.is_over()
    }

    fn after_epoch(&mut self, _: &EpochReport<'_>) -> Action {
        if let Some(last) = self.last_batch.take() {
            self.spent.validation = self.spent.validation.max(last.elapsed().as_secs_f64());
        }
        if !self.is_over() {
            return Action::Continue;
        }
        // Should the run be made longer, it gets the same time again.
        self.spent.seconds = 0.0;
        Action::Stop(format!("the time limit is reached ({})", self.what))
    }

    fn state(&mut self) -> Option<&mut dyn CallbackState> {
        Some(self.spent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(budget: &mut TimeBudget) -> bool {
        let report =
            EpochReport { seed: 0, epoch: 1, steps: 5, train_loss: 1.0, validation: &[], score: 0.5, best: true };
        matches!(budget.after_epoch(&report), Action::Stop(_))
    }

    #[test]
    fn the_validation_is_part_of_the_time() {
        let mut budget = TimeBudget::new(Duration::from_hours(1), "an hour".to_owned());
        assert!(!budget.ends_epoch());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!stops(&mut budget));
        let saved = budget.state().unwrap().save().unwrap();
        assert!(saved["validation"].as_f64().unwrap() >= 0.02, "{saved}");
        // Another process remembers it. Of the hour there is less left than that.
        let mut later = TimeBudget::new(Duration::from_hours(1), "an hour".to_owned());
        later.state().unwrap().load(&serde_json::json!({ "seconds": 3599.985, "validation": 0.02 })).unwrap();
        assert!(later.ends_epoch() && stops(&mut later));
    }

    #[test]
    fn the_time_of_earlier_processes_counts() {
        let hour = || TimeBudget::new(Duration::from_hours(1), "an hour".to_owned());
        let mut first = hour();
        assert!(!stops(&mut first));
        let saved = first.state().unwrap().save().unwrap();
        assert!((0.0..60.0).contains(&saved["seconds"].as_f64().unwrap()), "{saved}");
        let mut second = hour();
        let mut load = |seconds: f64| {
            second.state().unwrap().load(&seconds.into()).unwrap();
            stops(&mut second)
        };
        assert!(!load(1800.0));
        assert!(load(3600.0));
        let error = second.state().unwrap().load(&serde_json::Value::from(-1.0)).unwrap_err();
        assert!(error.contains("-1 is no number of seconds"), "{error}");
    }
}
