use medley_core::TaskKind;

use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// The Brier score: the mean square of what the probabilities are off, as scikit-learn's `brier_score_loss`. For binary tasks
/// of the positive class (0 to 1), for several classes summed over them (0 to 2), for multi-label tasks the mean over labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brier;

impl Metric for Brier {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "brier",
            title: "Brier score",
            // Slack for scores that are probabilities up to the tolerance.
            range: (0.0, 2.01),
            better: Better::Lower,
            kinds: ANY_KIND,
            needs: Needs::Probabilities,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let Some(scores) = sample.probabilities() else { return Box::new(|_| None) };
        let divisor = if sample.kind() == TaskKind::MultiLabel { sample.classes() as f64 } else { 1.0 };
        let of_row = |row: usize| {
            let columns = sample.ranked_columns().into_iter();
            let squares = columns.map(|(column, class)| {
                let truth = if sample.is_positive(row, class) { 1.0 } else { 0.0 };
                (scores.view()[(row, column)] - truth).powi(2)
            });
            squares.sum::<f64>() / divisor
        };
        let rows: Vec<f64> = (0..sample.rows()).map(of_row).collect();
        Box::new(move |draw| draw.mean(&rows))
    }
}
