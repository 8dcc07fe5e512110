use std::cmp::Ordering;

use super::{History, Pruner, TrialState, Verdict};
use crate::Direction;

medley_core::keys! {
    /// Successive halving in cohorts: as many trials as `cohort` begin together and pause at each level; when all are there, the best
    /// of them go on.
    pub struct Halving {
        /// The first level, a rung.
        first: u64 = 1, in 1..=1_000_000_000;
        /// Where trials end by themselves; levels lie below it. Required.
        last: u64, in 2..=1_000_000_000;
        /// From a level to the next, and how many trials compete for one place there.
        factor: u64 = 3, in 2..=100;
        /// Trials that compete.
        cohort: u64 = 9, in 2..=1_000_000;
    }
}

medley_core::keys! {
    /// Asynchronous successive halving: a trial goes on from a level if it is among the best of all that have been there, and otherwise
    /// waits until it is.
    pub struct Asha {
        /// The first level, a rung.
        first: u64 = 1, in 1..=1_000_000_000;
        /// Where trials end by themselves; levels lie below it. Required.
        last: u64, in 2..=1_000_000_000;
        /// From a level to the next, and how many trials compete for one place there.
        factor: u64 = 3, in 2..=100;
    }
}

medley_core::keys! {
    /// Hyperband: brackets of asynchronous successive halving, of which the first begins at the first level, the second at the next,
    /// and the last lets every trial go on to its end. Trials are given to brackets in turn, so that each has about the same work.
    pub struct Hyperband {
        /// The first level, a rung.
        first: u64 = 1, in 1..=1_000_000_000;
        /// Where trials end by themselves; levels lie below it. Required.
        last: u64, in 2..=1_000_000_000;
        /// From a level to the next, and how many trials compete for one place there.
        factor: u64 = 3, in 2..=100;
    }
}

/// Levels from the first upwards, below the last.
fn levels(first: u64, last: u64, factor: u64) -> Vec<u64> {
    std::iter::successors(Some(first), |level| level.checked_mul(factor)).take_while(|level| *level < last).collect()
}

/// Better trials first; of equal ones, that of the lower number.
fn by_loss(direction: Direction) -> impl Fn(&(u64, f64), &(u64, f64)) -> Ordering {
    move |a, b| direction.loss(a.1).total_cmp(&direction.loss(b.1)).then(a.0.cmp(&b.0))
}

/// Numbers and values of trials that have reported a level, the best first.
fn ranking<'a>(direction: Direction, level: u64, trials: impl Iterator<Item = &'a History>) -> Vec<(u64, f64)> {
    let mut reported: Vec<(u64, f64)> = trials.filter_map(|trial| Some((trial.number, trial.at(level)?))).collect();
    reported.sort_by(by_loss(direction));
    reported
}

/// Whether a trial is among the best 1 / `factor` of a ranking.
fn is_among_best(ranking: &[(u64, f64)], number: u64, factor: u64) -> bool {
    ranking.iter().take(ranking.len() / factor as usize).any(|(ranked, _)| *ranked == number)
}

/// The rung where a paused trial is, if that is a level.
fn paused_at(trial: &History, level: u64) -> bool {
    trial.state == TrialState::Paused && trial.last().is_some_and(|(rung, _)| rung == level)
}

/// Asynchronous halving on given levels among given trials.
fn judge(levels: &[u64], factor: u64, direction: Direction, trial: &History, others: &[&History]) -> Verdict {
    let Some((rung, _)) = trial.last().filter(|(rung, _)| levels.contains(rung)) else { return Verdict::Continue };
    let ranking = ranking(direction, rung, others.iter().copied().chain([trial]));
    if is_among_best(&ranking, trial.number, factor) { Verdict::Continue } else { Verdict::Pause }
}

/// The best paused trial of the highest level where one is among the best.
fn promote(levels: &[u64], factor: u64, direction: Direction, trials: &[&History]) -> Option<(u64, u64)> {
    levels.iter().rev().find_map(|&level| {
        let ranking = ranking(direction, level, trials.iter().copied());
        let paused = |number: u64| trials.iter().any(|trial| trial.number == number && paused_at(trial, level));
        let best = ranking.iter().take(ranking.len() / factor as usize).find(|(number, _)| paused(*number));
        best.map(|(number, _)| (level, *number))
    })
}

macro_rules! ends {
    ($($pruner:ty),*) => {$(
        impl $pruner {
            /// Rungs below the last, at which trials compete.
            pub(super) fn levels(&self) -> Vec<u64> {
                levels(self.first, self.last, self.factor)
            }

            pub(super) fn last(&self) -> u64 {
                self.last
            }
        }
    )*};
}

ends!(Halving, Asha, Hyperband);

impl Pruner for Asha {
    fn judge(&self, direction: Direction, trial: &History, others: &[History]) -> Verdict {
        let levels = self.levels();
        judge(&levels, self.factor, direction, trial, &others.iter().collect::<Vec<_>>())
    }

    fn promote(&self, direction: Direction, trials: &[History]) -> Option<u64> {
        let levels = self.levels();
        promote(&levels, self.factor, direction, &trials.iter().collect::<Vec<_>>()).map(|(_, number)| number)
    }
}

impl Hyperband {
    /// Trials of each bracket in a turn, for about the same work in each: n = ceil(brackets / (s + 1) * factor^s), where s is the
    /// number of levels of the bracket (Li et al., 2018, algorithm 1).
    fn sizes(&self) -> Vec<u64> {
        let levels = self.levels().len() as u64;
        let size = |s: u64| {
            let power = u32::try_from(s).ok().and_then(|s| self.factor.checked_pow(s)).unwrap_or(u64::MAX);
            (levels + 1).saturating_mul(power).div_ceil(s + 1)
        };
        (0..=levels).rev().map(size).collect()
    }

    /// The bracket of a trial: 0 has all levels, 1 all but the first, and so on. Within a turn, brackets are mixed as evenly as their
    /// sizes allow, so that a study that ends early has some of each.
    pub fn bracket(&self, number: u64) -> usize {
        let sizes = self.sizes();
        let turn: u64 = sizes.iter().fold(0, |sum: u64, size| sum.saturating_add(*size));
        let mut given = vec![0_u64; sizes.len()];
        let mut bracket = 0;
        for position in 0..=number % turn {
            // The one that lacks most of what it should have by now.
            let lack = |at: &usize| {
                i128::from(sizes[*at]) * i128::from(position + 1) - i128::from(given[*at]) * i128::from(turn)
            };
            bracket = (0..sizes.len()).rev().max_by_key(lack).unwrap_or(0);
            given[bracket] += 1;
        }
        bracket
    }

    pub(super) fn levels_of(&self, bracket: usize) -> Vec<u64> {
        self.levels().split_off(bracket)
    }
}

impl Pruner for Hyperband {
    fn judge(&self, direction: Direction, trial: &History, others: &[History]) -> Verdict {
        let bracket = self.bracket(trial.number);
        let same: Vec<&History> = others.iter().filter(|other| self.bracket(other.number) == bracket).collect();
        judge(&self.levels_of(bracket), self.factor, direction, trial, &same)
    }

    fn promote(&self, direction: Direction, trials: &[History]) -> Option<u64> {
        let brackets: Vec<usize> = trials.iter().map(|trial| self.bracket(trial.number)).collect();
        let count = self.sizes().len();
        let promoted = (0..count).filter_map(|bracket| {
            let same: Vec<&History> =
                trials.iter().zip(&brackets).filter(|(_, of)| **of == bracket).map(|(trial, _)| trial).collect();
            promote(&self.levels_of(bracket), self.factor, direction, &same)
        });
        // The highest level first; of equal ones, the first bracket.
        promoted.max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1))).map(|(_, number)| number)
    }
}

impl Halving {
    /// Trials of a cohort that come to the `step`-th level.
    fn places(&self, step: u32) -> u64 {
        self.factor.checked_pow(step).map_or(0, |power| self.cohort / power)
    }

    /// Whether a trial goes on from a level: its cohort is there, and it is among the best. Trials that ended on their way to a level
    /// are not waited for.
    fn goes_on(&self, direction: Direction, number: u64, level: u64, trials: &[&History]) -> bool {
        let levels = self.levels();
        if !levels.contains(&level) {
            return true;
        }
        let cohort = number / self.cohort;
        let mut competing: Vec<&History> =
            trials.iter().copied().filter(|trial| trial.number / self.cohort == cohort).collect();
        if (competing.len() as u64) < self.cohort {
            return false;
        }
        for (step, &at) in (1..).zip(&levels) {
            if competing.iter().any(|trial| trial.at(at).is_none() && !trial.state.has_ended()) {
                return false;
            }
            let ranking = ranking(direction, at, competing.iter().copied());
            let best = &ranking[..ranking.len().min(self.places(step) as usize)];
            competing.retain(|trial| best.iter().any(|(ranked, _)| *ranked == trial.number));
            if at == level {
                break;
            }
        }
        competing.iter().any(|trial| trial.number == number)
    }
}

impl Pruner for Halving {
    fn judge(&self, direction: Direction, trial: &History, others: &[History]) -> Verdict {
        let Some((rung, _)) = trial.last() else { return Verdict::Continue };
        let all: Vec<&History> = others.iter().chain([trial]).collect();
        if self.goes_on(direction, trial.number, rung, &all) { Verdict::Continue } else { Verdict::Pause }
    }

    fn promote(&self, direction: Direction, trials: &[History]) -> Option<u64> {
        let all: Vec<&History> = trials.iter().collect();
        let paused = trials.iter().filter(|trial| trial.state == TrialState::Paused);
        let ready = paused
            .filter(|trial| trial.last().is_some_and(|(rung, _)| self.goes_on(direction, trial.number, rung, &all)));
        ready
            .map(|trial| (trial.last().map_or(0, |(rung, _)| rung), trial.number))
            .max_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)))
            .map(|(_, number)| number)
    }
}
