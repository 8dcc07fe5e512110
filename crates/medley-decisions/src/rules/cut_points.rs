use medley_core::Scores;
use serde::{Deserialize, Serialize};

use super::between;
use crate::problem::Problem;
use crate::tally::Tally;

/// Rounds over all cuts.
const MOST_ROUNDS: usize = 12;

/// Cut points on the expected grade `sum(c * p_c)` of a task with ordered classes: the grade is the number of cuts below it. The Kaggle
/// competitions on retinopathy search them for the quadratic weighted kappa (the "optimised rounder"); here they are fitted for macro-F1
/// by coordinate ascent, less a ridge penalty that draws them to 0.5, 1.5, …
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutPoints {
    /// One fewer than grades, ascending, within the range of the grades.
    pub cuts: Vec<f64>,
}

impl CutPoints {
    /// The better of two searches: one from the middles between grades, one from the cuts that give each grade as often as it is true.
    pub(crate) fn fit(problem: &Problem) -> Self {
        let mut rows: Vec<(f64, u16)> = expected_grades(&problem.scores).zip(problem.labels.iter().copied()).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let starts = [middles(problem.classes), by_frequency(&rows, problem.classes)];
        let found = starts.map(|cuts| ascend(problem, &rows, cuts));
        let [one, two] = found;
        Self { cuts: if two.1 > one.1 + 1e-12 { two.0 } else { one.0 } }
    }

    pub(super) fn decide(&self, scores: &Scores) -> Vec<u16> {
        expected_grades(scores).map(|grade| grade_of(grade, &self.cuts)).collect()
    }
}

fn middles(classes: usize) -> Vec<f64> {
    (1..classes).map(|class| class as f64 - 0.5).collect()
}

fn expected_grades(scores: &Scores) -> impl Iterator<Item = f64> + '_ {
    let of_row = |row: usize| {
        let row = scores.row(row);
        let sum: f64 = row.iter().enumerate().map(|(class, share)| class as f64 * share).sum();
        sum / row.sum().max(f64::MIN_POSITIVE)
    };
    (0..scores.rows()).map(of_row)
}

fn grade_of(grade: f64, cuts: &[f64]) -> u16 {
    cuts.iter().filter(|cut| **cut < grade).count() as u16
}

/// Cuts between the sorted expected grades that leave as many rows of each grade as are true.
fn by_frequency(rows: &[(f64, u16)], classes: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; classes];
    for &(_, label) in rows {
        counts[usize::from(label)] += 1;
    }
    let mut below = 0;
    let cut = |count: &usize| {
        below += count;
        match (below.checked_sub(1).map(|last| rows[last].0), rows.get(below)) {
            (Some(low), Some(high)) => f64::midpoint(low, high.0),
            (None, _) => 0.0,
            (_, None) => classes as f64 - 1.0,
        }
    };
    counts[..classes - 1].iter().map(cut).collect()
}

/// Cut after cut, the best place between its neighbours, until none gets better; with the objective.
fn ascend(problem: &Problem, rows: &[(f64, u16)], mut cuts: Vec<f64>) -> (Vec<f64>, f64) {
    let mut best = objective(problem, rows, &cuts);
    for _ in 0..MOST_ROUNDS {
        let before = best;
        for index in 0..cuts.len() {
            let (cut, value) = search(problem, rows, &cuts, index);
            if value > best + 1e-12 {
                cuts[index] = cut;
                best = value;
            }
        }
        if best <= before + 1e-12 {
            break;
        }
    }
    (cuts, best)
}

fn objective(problem: &Problem, rows: &[(f64, u16)], cuts: &[f64]) -> f64 {
    tally(problem, rows, cuts).macro_f1() - penalty(problem, cuts)
}

fn tally(problem: &Problem, rows: &[(f64, u16)], cuts: &[f64]) -> Tally {
    let mut tally = Tally::new(problem.kind, problem.classes);
    for &(grade, label) in rows {
        tally.add(label.into(), grade_of(grade, cuts).into(), 1);
    }
    tally
}

fn penalty(problem: &Problem, cuts: &[f64]) -> f64 {
    cuts.iter().zip(middles(problem.classes)).map(|(cut, middle)| problem.penalty(cut - middle)).sum()
}

/// The best place of one cut between its neighbours, and the objective with it.
fn search(problem: &Problem, rows: &[(f64, u16)], cuts: &[f64], index: usize) -> (f64, f64) {
    let lowest = if index == 0 { 0.0 } else { cuts[index - 1] };
    let highest = cuts.get(index + 1).copied().unwrap_or(problem.classes as f64 - 1.0);
    let mut moved = cuts.to_vec();
    moved[index] = lowest;
    let mut tally = tally(problem, rows, &moved);
    let mut best = (cuts[index], f64::NEG_INFINITY);
    let inside = rows.iter().filter(|row| row.0 > lowest && row.0 <= highest);
    let mut low = lowest;
    for row in inside.map(Some).chain([None]) {
        let high = row.map_or(highest, |row| row.0);
        if let Some(cut) = between(low, high, index as f64 + 0.5) {
            moved[index] = cut;
            let value = tally.macro_f1() - penalty(problem, &moved);
            if value > best.1 {
                best = (cut, value);
            }
        }
        let Some(&(_, label)) = row else { break };
        tally.change(label.into(), index + 1, index);
        low = high;
    }
    best
}
