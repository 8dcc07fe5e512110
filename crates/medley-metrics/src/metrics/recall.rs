use medley_core::TaskKind;

use super::{Average, ratio};
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::{ClassCounts, Sample};

/// Recall (sensitivity): the share of a class that is found, averaged over classes as scikit-learn's
/// `recall_score(zero_division=0)`. A class that is predicted and never true counts with 0; see
/// [`BalancedAccuracy`](super::BalancedAccuracy), where it does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recall(pub Average);

impl Metric for Recall {
    fn info(&self) -> MetricInfo {
        let (id, title) = match self.0 {
            Average::Macro => ("macro_recall", "macro-recall"),
            Average::Micro => ("micro_recall", "micro-recall"),
            Average::Weighted => ("weighted_recall", "weighted recall"),
        };
        MetricInfo { id, title, range: (0.0, 1.0), better: Better::Higher, kinds: ANY_KIND, needs: Needs::Decisions }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let average = self.0;
        let multi_label = sample.kind() == TaskKind::MultiLabel;
        Box::new(move |draw| (draw.total() > 0).then(|| average.of(draw.classes(), multi_label, recall)))
    }
}

fn recall(class: ClassCounts) -> f64 {
    ratio(class.hits, class.support)
}
