use medley_core::Scores;
use serde::{Deserialize, Serialize};

use super::between;
use crate::problem::Problem;

/// A threshold for each label of a multi-label task: a label is set where its probability is strictly above. They are fitted for the F1 of
/// their label, each alone, as macro-F1 is the mean over labels (Lipton, Elkan and Naryanaswamy, ECML 2014: the best threshold is half
/// of the best F1), less a ridge penalty on the log-odds of the threshold that draws it to 0.5.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// One per label, within 0 to 1.
    pub thresholds: Vec<f64>,
}

impl Thresholds {
    /// All thresholds between two neighbouring probabilities are looked at. What the fit maximises is never below that of 0.5.
    pub(crate) fn fit(problem: &Problem) -> Self {
        Self { thresholds: (0..problem.classes).map(|label| search(problem, label)).collect() }
    }

    pub(super) fn decide(&self, scores: &Scores) -> Vec<u16> {
        let of_row = |row: usize| scores.row(row).to_vec().into_iter().zip(&self.thresholds);
        (0..scores.rows()).flat_map(of_row).map(|(score, threshold)| u16::from(score > *threshold)).collect()
    }
}

fn search(problem: &Problem, label: usize) -> f64 {
    let labels = problem.labels.iter().skip(label).step_by(problem.classes).map(|&set| set == 1);
    let mut rows: Vec<(f64, bool)> = problem.scores.view().column(label).iter().copied().zip(labels).collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let support = rows.iter().filter(|row| row.1).count();
    let value = |hits: usize, predicted: usize, threshold: f64| {
        let f1 = if support + predicted == 0 { 0.0 } else { 2.0 * hits as f64 / (support + predicted) as f64 };
        let odds = libm::log(threshold / (1.0 - threshold));
        f1 / problem.classes as f64 - problem.penalty(odds)
    };
    let above = rows.iter().filter(|row| row.0 > 0.5);
    let (hits, predicted) = above.fold((0, 0), |(hits, predicted), row| (hits + usize::from(row.1), predicted + 1));
    let mut best = (0.5, value(hits, predicted, 0.5));
    let (mut hits, mut predicted) = (support, rows.len());
    let mut low = 0.0;
    for at in 0..=rows.len() {
        let high = rows.get(at).map_or(1.0, |row| row.0);
        if let Some(threshold) = between(low, high, 0.5).filter(|threshold| *threshold > 0.0 && *threshold < 1.0) {
            let found = value(hits, predicted, threshold);
            if found > best.1 + 1e-12 {
                best = (threshold, found);
            }
        }
        let Some(row) = rows.get(at) else { break };
        predicted -= 1;
        hits -= usize::from(row.1);
        low = high;
    }
    best.0
}
