use super::{History, Pruner, Verdict};
use crate::Direction;

medley_core::keys! {
    /// Ends a trial that has not become better for some reports. It counts as finished, with its best value.
    pub struct Patience {
        /// Reports in a row without a better value that a trial may have.
        reports: usize = 10, in 1..=100_000;
        /// By how much a value must be better to count.
        least: f64 = 0.0, in 0.0..=1e9;
    }
}

impl Pruner for Patience {
    fn judge(&self, direction: Direction, trial: &History, _: &[History]) -> Verdict {
        let (mut best, mut without) = (f64::INFINITY, 0);
        for (_, value) in &trial.rungs {
            let loss = direction.loss(*value);
            if loss < best - self.least || best.is_infinite() {
                (best, without) = (loss, 0);
            } else {
                without += 1;
            }
        }
        if without >= self.reports { Verdict::Finish } else { Verdict::Continue }
    }
}
