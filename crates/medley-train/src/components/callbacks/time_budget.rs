use std::time::Instant;

use serde_json::Value;

use super::{Action, Callback, EpochReport};

/// Stops when a seed has trained for so long, in this process and those before it.
#[derive(Debug, Clone)]
pub struct TimeBudget {
    minutes: f64,
    /// Seconds of earlier processes.
    before: f64,
    started: Instant,
}

impl TimeBudget {
    /// The clock starts now.
    pub fn new(minutes: f64) -> Self {
        Self { minutes, before: 0.0, started: Instant::now() }
    }

    fn seconds(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }
}

impl Callback for TimeBudget {
    fn after_epoch(&mut self, _: &EpochReport<'_>) -> Action {
        if self.seconds() < 60.0 * self.minutes {
            return Action::Continue;
        }
        Action::Stop(format!("the time limit is reached (`stop.minutes` = {})", self.minutes))
    }

    fn state(&self) -> Value {
        self.seconds().into()
    }

    fn load_state(&mut self, state: &Value) -> Result<(), String> {
        let seconds = state.as_f64().filter(|seconds| *seconds >= 0.0);
        self.before = seconds.ok_or_else(|| format!("{state} is not a number of seconds"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stops(budget: &mut TimeBudget) -> bool {
        let report = EpochReport { seed: 0, epoch: 1, train_loss: 1.0, validation: &[], score: 0.5, best: true };
        matches!(budget.after_epoch(&report), Action::Stop(_))
    }

    #[test]
    fn the_time_of_earlier_processes_counts() {
        let mut first = TimeBudget::new(60.0);
        assert!(!stops(&mut first));
        let spent = first.state().as_f64().unwrap();
        assert!((0.0..60.0).contains(&spent), "{spent}");
        let mut second = TimeBudget::new(60.0);
        second.load_state(&Value::from(3599.0)).unwrap();
        assert!(!stops(&mut second) || second.seconds() >= 3600.0);
        second.load_state(&Value::from(3600.0)).unwrap();
        assert!(stops(&mut second));
        assert!(second.load_state(&Value::from(-1.0)).is_err());
    }
}
