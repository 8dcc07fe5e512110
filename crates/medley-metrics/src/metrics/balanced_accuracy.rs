use super::ratio;
use crate::metric::{Better, Metric, MetricInfo, Needs, Prepared, SINGLE_LABEL};
use crate::sample::Sample;

/// Balanced accuracy: the mean recall of the classes that occur in the truth, as scikit-learn's `balanced_accuracy_score`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BalancedAccuracy;

impl Metric for BalancedAccuracy {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "balanced_accuracy",
            title: "balanced accuracy",
            range: (0.0, 1.0),
            better: Better::Higher,
            kinds: SINGLE_LABEL,
            needs: Needs::Decisions,
        }
    }

    fn prepare<'a>(&self, _: &'a Sample) -> Prepared<'a> {
        Box::new(|draw| {
            let (mut sum, mut count) = (0.0, 0_usize);
            for class in draw.classes().iter().filter(|class| class.support > 0) {
                sum += ratio(class.hits, class.support);
                count += 1;
            }
            (count > 0).then(|| sum / count as f64)
        })
    }
}
