use medley_core::{CoreError, Scores, TaskKind};
use serde::{Deserialize, Serialize};

use super::check_number;
use crate::DecisionError;
use crate::problem::Problem;
use crate::table::Table;

/// Temperatures between the inverse of this and this are looked for, and allowed.
const MOST: f64 = 20.0;
/// Halvings of that range: its width is then below 1e-9.
const HALVINGS: usize = 34;

/// Temperature scaling: logits are divided by one number, which is fitted on log loss (Guo, Pleiss, Sun and Weinberger, *On Calibration
/// of Modern Neural Networks*, ICML 2017). Above 1, probabilities become milder. The order of the classes stays, and so do decisions:
/// it serves those who read probabilities, and averages of several networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// What logits are divided by, positive; 1 changes nothing.
    pub temperature: f64,
}

impl Temperature {
    /// The temperature that changes nothing.
    pub const NONE: Self = Self { temperature: 1.0 };

    pub(crate) fn check(self) -> Result<(), DecisionError> {
        check_number("temperature", self.temperature, &(1.0 / MOST..=MOST))
    }

    /// The temperature with the least log loss, between 0.05 and 20. Log loss is convex in the inverse of the temperature, so its slope
    /// has one zero there, which is found by halving.
    pub(crate) fn fit(problem: &Problem) -> Self {
        let (mut low, mut high) = (-libm::log(MOST), libm::log(MOST));
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(low, high);
            if slope(problem, libm::exp(middle)) > 0.0 {
                high = middle;
            } else {
                low = middle;
            }
        }
        Self { temperature: libm::exp(-f64::midpoint(low, high)) }
    }

    /// The probabilities at this temperature, of the shape given; a binary task with one column keeps it.
    ///
    /// # Errors
    /// [`CoreError::NotFinite`] where the temperature is not a positive number.
    pub fn apply(&self, kind: TaskKind, scores: &Scores) -> Result<Scores, CoreError> {
        let table = Table::new(kind, scores);
        let mut values = Vec::with_capacity(scores.rows() * scores.columns());
        for row in table.rows() {
            if kind == TaskKind::MultiLabel {
                values.extend(row.iter().map(|odds| sigmoid(odds / self.temperature)));
            } else {
                let probabilities = softmax(row, 1.0 / self.temperature);
                values.extend(&probabilities[probabilities.len() - scores.columns()..]);
            }
        }
        Scores::new(values, scores.rows(), scores.columns())
    }
}

/// Slope of the summed log loss in the inverse temperature `sharpness`.
fn slope(problem: &Problem, sharpness: f64) -> f64 {
    let labels = problem.labels.chunks_exact(problem.width().max(1));
    let of_row = |(row, labels): (&[f64], &[u16])| -> f64 {
        if problem.kind == TaskKind::MultiLabel {
            let of_label = |(odds, &label): (&f64, &u16)| odds * (sigmoid(odds * sharpness) - f64::from(label));
            return row.iter().zip(labels).map(of_label).sum();
        }
        let expected: f64 = softmax(row, sharpness).iter().zip(row).map(|(share, log)| share * log).sum();
        expected - row[usize::from(labels[0])]
    };
    problem.table.rows().zip(labels).map(of_row).sum()
}

fn softmax(logs: &[f64], sharpness: f64) -> Vec<f64> {
    let most = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logs.iter().map(|log| libm::exp((log - most) * sharpness)).collect();
    let sum: f64 = shares.iter().sum();
    shares.into_iter().map(|share| share / sum).collect()
}

fn sigmoid(odds: f64) -> f64 {
    1.0 / (1.0 + libm::exp(-odds))
}
