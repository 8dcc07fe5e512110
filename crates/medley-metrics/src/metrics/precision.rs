use medley_core::TaskKind;

use super::{Average, ratio};
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::{ClassCounts, Sample};

/// Precision: the share of predictions of a class that are right, averaged over classes as scikit-learn's
/// `precision_score(zero_division=0)`. A class that is true and never predicted counts with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precision(pub Average);

impl Metric for Precision {
    fn info(&self) -> MetricInfo {
        let (id, title) = match self.0 {
            Average::Macro => ("macro_precision", "macro-precision"),
            Average::Micro => ("micro_precision", "micro-precision"),
            Average::Weighted => ("weighted_precision", "weighted precision"),
        };
        MetricInfo { id, title, range: (0.0, 1.0), better: Better::Higher, kinds: ANY_KIND, needs: Needs::Decisions }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let average = self.0;
        let multi_label = sample.kind() == TaskKind::MultiLabel;
        Box::new(move |draw| (draw.total() > 0).then(|| average.of(draw.classes(), multi_label, precision)))
    }
}

fn precision(class: ClassCounts) -> f64 {
    ratio(class.hits, class.predicted)
}
