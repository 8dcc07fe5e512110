use serde::{Deserialize, Serialize};

use super::{Action, Callback, CallbackState, EpochReport};

/// Stops when the score has not become better for some epochs (Prechelt, *Early Stopping - But When?*, 1998; `patience` and
/// `min_delta` as in Keras).
#[derive(Debug, Clone)]
pub struct EarlyStopping {
    patience: usize,
    min_delta: f64,
    seen: Seen,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Seen {
    best: Option<f64>,
    epochs_without: usize,
}

impl EarlyStopping {
    /// Stops after `patience` epochs in a row whose score is not above the best by more than `min_delta`.
    pub fn new(patience: usize, min_delta: f64) -> Self {
        Self { patience, min_delta, seen: Seen::default() }
    }
}

impl Callback for EarlyStopping {
    fn after_epoch(&mut self, report: &EpochReport<'_>) -> Action {
        let seen = &mut self.seen;
        if seen.best.is_none_or(|best| report.score > best + self.min_delta) {
            *seen = Seen { best: Some(report.score), epochs_without: 0 };
        } else {
            seen.epochs_without += 1;
        }
        if seen.epochs_without < self.patience {
            return Action::Continue;
        }
        // Should the run be made longer, it gets the same patience again.
        seen.epochs_without = 0;
        let epochs = if self.patience == 1 { "epoch".to_owned() } else { format!("{} epochs", self.patience) };
        Action::Stop(format!("no better validation score in the last {epochs}"))
    }

    fn state(&mut self) -> Option<&mut dyn CallbackState> {
        Some(&mut self.seen)
    }
}

#[cfg(test)]
mod tests {
    use super::super::check_callback;
    use super::*;

    fn stops_after(patience: usize, min_delta: f64, scores: &[f64]) -> Option<usize> {
        let mut callback = EarlyStopping::new(patience, min_delta);
        (1..).zip(scores).find_map(|(epoch, &score)| {
            let report = EpochReport { seed: 0, epoch, steps: 5, train_loss: 1.0, validation: &[], score, best: false };
            matches!(callback.after_epoch(&report), Action::Stop(_)).then_some(epoch)
        })
    }

    #[test]
    fn patience_begins_anew_with_every_better_epoch() {
        let scores = [0.1, 0.3, 0.2, 0.3, 0.31, 0.2, 0.2, 0.2, 0.9];
        assert_eq!(stops_after(1, 0.0, &scores), Some(3));
        assert_eq!(stops_after(2, 0.0, &scores), Some(4), "an equal score is not better");
        assert_eq!(stops_after(3, 0.0, &scores), Some(8));
        assert_eq!(stops_after(3, 0.05, &scores), Some(5), "0.31 is not better by 0.05");
        assert_eq!(stops_after(9, 0.0, &scores), None);
        assert_eq!(stops_after(1, 0.0, &[0.1, f64::NAN]), Some(2));
    }

    #[test]
    fn it_goes_on_from_its_state() {
        check_callback(&|| Box::new(EarlyStopping::new(2, 0.0)), &[0.1, 0.3, 0.2, 0.4, 0.4, 0.1, 0.5]);
    }

    #[test]
    fn another_state_is_refused() {
        let error = EarlyStopping::new(1, 0.0).state().unwrap().load(&"x".into()).unwrap_err();
        assert!(error.contains("invalid type"), "{error}");
    }
}
