use crate::metric::{Better, Metric, MetricInfo, Needs, Prepared, SINGLE_LABEL};
use crate::sample::Sample;

/// Matthews' correlation coefficient, for several classes as Gorodkin (2004) extends it; scikit-learn's `matthews_corrcoef`.
/// 0 where truth or prediction is one class throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matthews;

impl Metric for Matthews {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "matthews",
            title: "MCC",
            range: (-1.0, 1.0),
            better: Better::Higher,
            kinds: SINGLE_LABEL,
            needs: Needs::Decisions,
        }
    }

    fn prepare<'a>(&self, _: &'a Sample) -> Prepared<'a> {
        Box::new(|draw| {
            let total = draw.total() as f64;
            let (mut hits, mut product, mut predicted, mut support) = (0.0, 0.0, 0.0, 0.0);
            for class in draw.classes() {
                let (p, t) = (class.predicted as f64, class.support as f64);
                hits += class.hits as f64;
                product += p * t;
                predicted += p * p;
                support += t * t;
            }
            let spread = (total * total - predicted) * (total * total - support);
            (total > 0.0)
                .then(|| if spread == 0.0 { 0.0 } else { ((hits * total - product) / spread.sqrt()).clamp(-1.0, 1.0) })
        })
    }
}
