//! Predictions as rules compute with them: logarithms of probabilities.

use medley_core::{Scores, TaskKind};

/// Probabilities are kept this far from 0 and 1 before their logarithm is taken, as in `medley_metrics::metrics::LogLoss`.
const FLOOR: f64 = f64::EPSILON;

/// `[N, C]` f64, row by row: log-probabilities of classes, or log-odds of labels of a multi-label task.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    columns: usize,
    values: Vec<f64>,
}

impl Table {
    /// A binary task may have one column of scores, that of its class 1; two are then made of it.
    pub(crate) fn new(kind: TaskKind, scores: &Scores) -> Self {
        let log = |probability: f64| libm::log(probability.max(FLOOR));
        let values: Vec<f64> = match kind {
            TaskKind::Binary => {
                let positive = scores.view().column(scores.columns() - 1).to_vec();
                positive.into_iter().flat_map(|positive| [log(1.0 - positive), log(positive)]).collect()
            }
            TaskKind::MultiClass | TaskKind::Ordinal => scores.view().iter().map(|&score| log(score)).collect(),
            TaskKind::MultiLabel => scores.view().iter().map(|&score| log(score) - log(1.0 - score)).collect(),
        };
        let columns = if kind == TaskKind::Binary { 2 } else { scores.columns() };
        Self { columns, values }
    }

    pub(crate) fn rows(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.columns)
    }

    /// The rows of these numbers.
    pub(crate) fn select(&self, rows: &[usize]) -> Self {
        let width = self.columns;
        let values = rows.iter().flat_map(|&row| &self.values[row * width..(row + 1) * width]).copied().collect();
        Self { columns: width, values }
    }

    /// For each row the class with the largest sum of log-probability and `added`; the first of equals, as `numpy.argmax`.
    pub(crate) fn argmax_with(&self, added: &[f64]) -> Vec<u16> {
        self.rows().map(|row| best_of(row, added, None).0 as u16).collect()
    }
}

/// The class with the largest sum of both, and that sum; without the class `but` of others.
pub(crate) fn best_of(row: &[f64], added: &[f64], but: Option<usize>) -> (usize, f64) {
    let mut best = (usize::MAX, f64::NEG_INFINITY);
    for (class, (value, added)) in row.iter().zip(added).enumerate() {
        if Some(class) != but && value + added > best.1 {
            best = (class, value + added);
        }
    }
    best
}
