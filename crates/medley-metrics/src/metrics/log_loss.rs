use medley_core::{Scores, TaskKind};

use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// Log loss (cross-entropy, nats): the mean negative logarithm of the probability of what is true, as scikit-learn's
/// `log_loss`. Probabilities are clipped to 2.2e-16 from 0 and 1; for multi-label tasks the mean over labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLoss;

impl Metric for LogLoss {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "log_loss",
            title: "log loss",
            range: (0.0, f64::INFINITY),
            better: Better::Lower,
            kinds: ANY_KIND,
            needs: Needs::Probabilities,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let Some(scores) = sample.probabilities() else { return Box::new(|_| None) };
        let rows: Vec<f64> = (0..sample.rows()).map(|row| of_row(sample, scores, row)).collect();
        Box::new(move |draw| draw.mean(&rows))
    }
}

fn of_row(sample: &Sample, scores: &Scores, row: usize) -> f64 {
    let surprise = |probability: f64| -libm::log(probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON));
    if sample.kind() != TaskKind::MultiLabel {
        let truth = usize::from(sample.labels().values()[row]);
        return surprise(sample.probability(scores, row, truth));
    }
    let labels = sample.labels().row(row).iter().zip(scores.row(row));
    let sum: f64 = labels.map(|(&set, &score)| surprise(if set == 1 { score } else { 1.0 - score })).sum();
    sum / sample.classes() as f64
}
