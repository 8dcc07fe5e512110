//! Candidates take turns until it is clear which is best.

use std::time::{Duration, Instant};

use super::candidate::Candidate;
use super::{Measurement, Workload};
use crate::{ComputePlan, ModelError};

/// How much faster a candidate must be than an earlier one to be taken instead. Repeated calibrations on shared machines differ
/// by up to a tenth.
const MARGIN: f64 = 1.1;

/// A candidate whose best step costs so many times that of the best candidate takes no further part, and what is decided by a single
/// step is decided by so much.
const HOPELESS: f64 = 1.5;

/// Steps that show what a candidate is worth: another program, or memory that is touched for the first time, may spoil one.
const ENOUGH_STEPS: usize = 2;

/// The order is settled when the same candidate has led for so many rounds. Where it does not lead clearly, there must have been twice
/// as many.
const SETTLED: usize = 3;

/// So many candidates are tried however long they take.
const LEAST_CANDIDATES: usize = 2;

/// What a step costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Clock {
    /// Time of the process on all processors.
    Processor,
    /// Time on the wall.
    Passing,
}

impl Measurement {
    fn speed(&self, clock: Clock) -> f64 {
        match clock {
            Clock::Processor => self.images_per_cpu_second,
            Clock::Passing => self.images_per_second,
        }
    }
}

/// Measures plans, which stand in the order in which they are worth it, and says which is best.
///
/// A plan joins with a step to warm up, in which libtorch compiles its kernels and replicas start. Two plans always do; a later one does
/// not where half of `budget` is over by then. After that all take a step each, round by round, until the order is settled or the time is
/// over, at least twice. Where warming up took twice the budget, those steps are all there is.
///
/// # Errors
/// As [`Candidate::step`].
pub(super) fn take_turns(
    workload: &Workload<'_>,
    plans: &[ComputePlan],
    clock: Clock,
    budget: Duration,
) -> Result<(usize, Vec<Measurement>), ModelError> {
    let start = Instant::now();
    let mut candidates = Vec::new();
    for &plan in plans {
        if candidates.len() >= LEAST_CANDIDATES && start.elapsed() > budget / 2 {
            break;
        }
        let mut candidate = Candidate::new(workload, plan)?;
        candidate.step()?;
        candidates.push(candidate);
    }
    let measured = |candidates: &[Candidate]| candidates.iter().map(Candidate::measured).collect::<Vec<_>>();
    let warm = measured(&candidates);
    if start.elapsed() > 2 * budget {
        return Ok((winner(&warm, clock, HOPELESS), warm));
    }
    for candidate in &mut candidates {
        candidate.forget();
    }
    let mut leaders = Vec::new();
    let mut steps = vec![0; candidates.len()];
    loop {
        for place in hopeful(&measured(&candidates), &steps, clock) {
            candidates[place].step()?;
            steps[place] += 1;
        }
        let measured = measured(&candidates);
        let leader = winner(&measured, clock, MARGIN);
        leaders.push(leader);
        let is_over = leaders.len() >= ENOUGH_STEPS && start.elapsed() > budget;
        if is_over || is_settled(&leaders, leads_clearly(&measured, leader, clock)) {
            return Ok((leader, measured));
        }
    }
}

/// The place of the best; an earlier one stays unless a later one is faster by `margin`.
fn winner(measured: &[Measurement], clock: Clock, margin: f64) -> usize {
    let clearly_faster =
        |later: usize, earlier: usize| measured[later].speed(clock) > margin * measured[earlier].speed(clock);
    (1..measured.len()).fold(0, |best, next| if clearly_faster(next, best) { next } else { best })
}

/// The places of the candidates that are not far behind the best, and of those that had too few steps to tell.
fn hopeful(measured: &[Measurement], steps: &[usize], clock: Clock) -> Vec<usize> {
    let best = measured.iter().map(|measured| measured.speed(clock)).fold(0.0, f64::max);
    let is_hopeful = |place: &usize| steps[*place] < ENOUGH_STEPS || measured[*place].speed(clock) * HOPELESS >= best;
    (0..measured.len()).filter(is_hopeful).collect()
}

/// Whether no other is nearly as fast as the leader.
fn leads_clearly(measured: &[Measurement], leader: usize, clock: Clock) -> bool {
    let bound = measured[leader].speed(clock) / MARGIN;
    measured.iter().enumerate().all(|(place, other)| place == leader || other.speed(clock) < bound)
}

/// Whether one candidate has led for long enough.
fn is_settled(leaders: &[usize], clearly: bool) -> bool {
    let least = if clearly { SETTLED } else { 2 * SETTLED };
    leaders.len() >= least && leaders[leaders.len() - SETTLED..].windows(2).all(|pair| pair[0] == pair[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measurements with these speeds.
    fn measured(speeds: &[f64]) -> Vec<Measurement> {
        let measured = |&speed: &f64| Measurement {
            plan: ComputePlan::default(),
            images_per_second: 1000.0 - speed,
            images_per_cpu_second: speed,
        };
        speeds.iter().map(measured).collect()
    }

    #[test]
    fn a_later_candidate_must_be_clearly_faster() {
        let chosen = |speeds: &[f64]| winner(&measured(speeds), Clock::Processor, MARGIN);
        assert_eq!(chosen(&[100.0, 109.0, 50.0]), 0);
        assert_eq!(chosen(&[100.0, 111.0, 121.0]), 1);
        assert_eq!(chosen(&[100.0, 50.0, 200.0]), 2);
        assert_eq!(winner(&measured(&[800.0, 100.0]), Clock::Passing, MARGIN), 1);
    }

    #[test]
    fn who_is_far_behind_for_two_steps_takes_no_further_part() {
        let hopeful = |speeds: &[f64], steps: &[usize]| hopeful(&measured(speeds), steps, Clock::Processor);
        assert_eq!(hopeful(&[100.0, 150.0, 99.0], &[2, 2, 2]), [0, 1]);
        assert_eq!(hopeful(&[100.0, 150.0, 9.0], &[2, 2, 1]), [0, 1, 2]);
        assert_eq!(hopeful(&[0.0, 0.0], &[0, 0]), [0, 1]);
    }

    #[test]
    fn rounds_end_when_one_leads_for_three_and_clearly_or_after_six() {
        assert!(!is_settled(&[0, 0], true));
        assert!(is_settled(&[0, 0, 0], true) && !is_settled(&[0, 0, 0], false));
        assert!(is_settled(&[1, 0, 0, 0], true) && !is_settled(&[0, 0, 0, 1], true));
        assert!(!is_settled(&[0, 0, 0, 0, 0], false));
        assert!(is_settled(&[1, 0, 0, 0, 0, 0], false));
        assert!(!is_settled(&[0, 0, 0, 0, 1, 0], false));
        assert!(is_settled(&[0, 0, 0, 0, 1, 1, 1], false));
    }

    #[test]
    fn nobody_near_is_a_clear_lead() {
        let clearly = |speeds: &[f64], leader| leads_clearly(&measured(speeds), leader, Clock::Processor);
        assert!(clearly(&[100.0, 90.0], 0) && !clearly(&[100.0, 92.0], 0) && !clearly(&[100.0, 109.0], 0));
        assert!(clearly(&[50.0, 109.0, 99.0], 1));
    }
}
