use medley_core::TaskKind;

use super::ratio;
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// Specificity: the share of what is not of a class that is not taken for it, one against the rest, averaged over the classes
/// that are true or predicted anywhere (all labels of a multi-label task). 0 for a class that everything belongs to: as recall
/// of its complement, scikit-learn with `zero_division=0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Specificity;

impl Metric for Specificity {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "macro_specificity",
            title: "macro-specificity",
            range: (0.0, 1.0),
            better: Better::Higher,
            kinds: ANY_KIND,
            needs: Needs::Decisions,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let multi_label = sample.kind() == TaskKind::MultiLabel;
        Box::new(move |draw| {
            let (mut sum, mut count) = (0.0, 0_usize);
            for class in draw.classes().iter().filter(|class| multi_label || class.occurs()) {
                let negatives = draw.total() - class.support;
                let wrongly = class.predicted - class.hits;
                sum += ratio(negatives - wrongly, negatives);
                count += 1;
            }
            (count > 0 && draw.total() > 0).then(|| sum / count as f64)
        })
    }
}
