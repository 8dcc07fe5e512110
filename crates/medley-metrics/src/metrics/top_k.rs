use medley_core::TaskKind;

use crate::metric::{Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// The share of rows whose true class is among the `k` highest scores, for tasks of several classes. Among equals the later
/// class comes first, as in scikit-learn's `top_k_accuracy_score`. 1 when there are no more than `k` classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK(pub usize);

impl Metric for TopK {
    fn info(&self) -> MetricInfo {
        let (id, title) = match self.0 {
            1 => ("top_1", "top-1"),
            2 => ("top_2", "top-2"),
            3 => ("top_3", "top-3"),
            5 => ("top_5", "top-5"),
            _ => ("top_k", "top-k"),
        };
        MetricInfo {
            id,
            title,
            range: (0.0, 1.0),
            better: Better::Higher,
            kinds: &[TaskKind::MultiClass, TaskKind::Ordinal],
            needs: Needs::Scores,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let Some(scores) = sample.scores() else { return Box::new(|_| None) };
        let k = self.0;
        let is_hit = |row: usize| {
            let truth = usize::from(sample.labels().values()[row]);
            let scores = scores.row(row);
            let before = scores
                .iter()
                .enumerate()
                .filter(|&(class, score)| *score > scores[truth] || (*score == scores[truth] && class > truth));
            if before.count() < k { 1.0 } else { 0.0 }
        };
        let rows: Vec<f64> = (0..sample.rows()).map(is_hit).collect();
        Box::new(move |draw| draw.mean(&rows))
    }
}
