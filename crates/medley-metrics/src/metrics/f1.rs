use medley_core::TaskKind;

use super::{Average, ratio};
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::{ClassCounts, Sample};

/// F1, the harmonic mean of precision and recall, averaged over classes as scikit-learn's `f1_score(zero_division=0)`. A class
/// that is predicted and never true counts with 0, one that is neither does not count; of a multi-label task all labels count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct F1(pub Average);

impl Metric for F1 {
    fn info(&self) -> MetricInfo {
        let (id, title) = match self.0 {
            Average::Macro => ("macro_f1", "macro-F1"),
            Average::Micro => ("micro_f1", "micro-F1"),
            Average::Weighted => ("weighted_f1", "weighted F1"),
        };
        MetricInfo { id, title, range: (0.0, 1.0), better: Better::Higher, kinds: ANY_KIND, needs: Needs::Decisions }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let average = self.0;
        let multi_label = sample.kind() == TaskKind::MultiLabel;
        Box::new(move |draw| (draw.total() > 0).then(|| average.of(draw.classes(), multi_label, f1)))
    }
}

fn f1(class: ClassCounts) -> f64 {
    ratio(2 * class.hits, class.support + class.predicted)
}
