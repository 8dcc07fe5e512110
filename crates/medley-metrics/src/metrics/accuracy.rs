use medley_core::TaskKind;

use super::ratio;
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// The share of right decisions, as the official evaluator makes them (see [`crate::decide`]): of rows, or, for a
/// multi-label task, of all labels of all rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accuracy;

impl Metric for Accuracy {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "accuracy",
            title: "ACC",
            range: (0.0, 1.0),
            better: Better::Higher,
            kinds: ANY_KIND,
            needs: Needs::Decisions,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let labels = sample.classes() as u64;
        let multi_label = sample.kind() == TaskKind::MultiLabel;
        Box::new(move |draw| {
            let hits: u64 = draw.classes().iter().map(|class| class.hits).sum();
            if multi_label {
                // Wrong are the labels that are only true or only predicted.
                let wrong: u64 =
                    draw.classes().iter().map(|class| class.support + class.predicted - 2 * class.hits).sum();
                let all = labels * draw.total();
                (all > 0).then(|| ratio(all - wrong, all))
            } else {
                (draw.total() > 0).then(|| ratio(hits, draw.total()))
            }
        })
    }
}
