use super::{History, Pruner, TrialState, Verdict};
use crate::Direction;

medley_core::keys! {
    /// Prunes a trial whose best value so far is worse than the median of what others had at the same rung.
    pub struct Median {
        /// Others that must have ended, and reported that rung, before any trial is pruned.
        startup: usize = 5, in 1..=10_000;
        /// Rungs at which no trial is pruned: those below this one.
        warmup: u64 = 0, in 0..;
    }
}

impl Pruner for Median {
    fn judge(&self, direction: Direction, trial: &History, others: &[History]) -> Verdict {
        let Some((rung, _)) = trial.last() else { return Verdict::Continue };
        let ended = |other: &&History| matches!(other.state, TrialState::Finished | TrialState::Pruned);
        let mut losses: Vec<f64> =
            others.iter().filter(ended).filter_map(|other| other.at(rung)).map(|value| direction.loss(value)).collect();
        if rung < self.warmup || losses.len() < self.startup {
            return Verdict::Continue;
        }
        losses.sort_by(f64::total_cmp);
        let median = f64::midpoint(losses[(losses.len() - 1) / 2], losses[losses.len() / 2]);
        let best = trial.rungs.iter().map(|(_, value)| direction.loss(*value)).fold(f64::INFINITY, f64::min);
        if best > median { Verdict::Prune } else { Verdict::Continue }
    }
}
