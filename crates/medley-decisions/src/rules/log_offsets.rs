use medley_core::{Scores, TaskKind};
use serde::{Deserialize, Serialize};

use super::between;
use crate::problem::Problem;
use crate::table::{Table, best_of};
use crate::tally::Tally;

/// Rounds over all classes; most searches end after three.
const MOST_ROUNDS: usize = 12;
/// No offset is searched beyond this: a factor of 400 on a probability.
const LIMIT: f64 = 6.0;

/// An offset for each class, added to the logarithm of its probability before the largest is decided for. They are fitted for macro-F1
/// by coordinate ascent, less a ridge penalty that draws them to 0. For two classes it is the threshold of class 1; for more, the
/// class weights of Lipton, Elkan and Naryanaswamy (*Optimal Thresholding of Classifiers to Maximize F1 Measure*, ECML 2014), searched
/// for instead of derived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogOffsets {
    /// One per class, natural logarithms, with a mean of 0; a constant added to all changes nothing.
    pub offsets: Vec<f64>,
}

impl LogOffsets {
    /// Class after class, the best offset while the others stay, until none gets better. Along one offset, macro-F1 changes only where
    /// a row changes its decision, so all its values are looked at. What the fit maximises is never below that of the plain rule.
    pub(crate) fn fit(problem: &Problem) -> Self {
        let mut offsets = vec![0.0; problem.classes];
        let mut best = objective(problem, &offsets);
        for _ in 0..MOST_ROUNDS {
            let before = best;
            for class in 0..problem.classes {
                let (offset, value) = search(problem, &offsets, class);
                if value > best + 1e-12 {
                    offsets[class] = offset;
                    best = value;
                }
            }
            // Of all constants, minus the mean has the least penalty.
            let mean = offsets.iter().sum::<f64>() / problem.classes as f64;
            let centred: Vec<f64> = offsets.iter().map(|offset| offset - mean).collect();
            let value = objective(problem, &centred);
            if value >= best {
                (offsets, best) = (centred, value);
            }
            if best <= before + 1e-12 {
                break;
            }
        }
        Self { offsets }
    }

    pub(super) fn decide(&self, kind: TaskKind, scores: &Scores) -> Vec<u16> {
        Table::new(kind, scores).argmax_with(&self.offsets)
    }
}

fn objective(problem: &Problem, offsets: &[f64]) -> f64 {
    let penalty: f64 = offsets.iter().map(|&offset| problem.penalty(offset)).sum();
    problem.macro_f1(&problem.table.argmax_with(offsets)) - penalty
}

/// The best offset of one class, and the objective with it.
fn search(problem: &Problem, offsets: &[f64], class: usize) -> (f64, f64) {
    let others: f64 =
        offsets.iter().enumerate().filter(|(other, _)| *other != class).map(|(_, &b)| problem.penalty(b)).sum();
    // The offset from which on each row is decided for the class, and what it is decided for below.
    let mut tally = Tally::new(problem.kind, problem.classes);
    let mut rows: Vec<(f64, u16, u16)> = Vec::with_capacity(problem.rows());
    for (row, &label) in problem.table.rows().zip(&problem.labels) {
        let (other, value) = best_of(row, offsets, Some(class));
        tally.add(label.into(), other, 1);
        rows.push((value - row[class], label, other as u16));
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut best = (offsets[class], f64::NEG_INFINITY);
    let mut low = -LIMIT;
    for at in 0..=rows.len() {
        let high = rows.get(at).map_or(LIMIT, |row| row.0.clamp(-LIMIT, LIMIT));
        if let Some(offset) = between(low, high, 0.0) {
            let value = tally.macro_f1() - others - problem.penalty(offset);
            if value > best.1 {
                best = (offset, value);
            }
        }
        let Some(&(_, label, other)) = rows.get(at) else { break };
        tally.change(label.into(), other.into(), class);
        low = high;
    }
    best
}
