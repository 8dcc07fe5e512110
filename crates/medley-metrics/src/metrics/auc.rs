use super::mean_over_columns;
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::{Draw, RankOrder, Sample};

/// AUC as the official evaluator defines it: of the last column for binary tasks, the unweighted mean of the one-vs-rest
/// AUCs for multi-class and ordinal tasks, the mean over labels for multi-label tasks. Ties count half. Not defined when a
/// class has no example or nothing else has: scikit-learn warns and returns NaN there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Auc;

impl Metric for Auc {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "auc",
            title: "AUC",
            range: (0.0, 1.0),
            better: Better::Higher,
            kinds: ANY_KIND,
            needs: Needs::Scores,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        mean_over_columns(sample, weighted_auc)
    }
}

/// The Mann-Whitney statistic with multiplicities: an exact integer up to the last division.
fn weighted_auc(order: &RankOrder, draw: &Draw) -> Option<f64> {
    let weights = draw.weights();
    let (mut pairs, mut positives, mut negatives) = (0_u64, 0_u64, 0_u64);
    let (mut positives_here, mut negatives_here) = (0_u64, 0_u64);
    for entry in order.ascending() {
        let weight = u64::from(weights[entry.row]);
        let positive = if entry.positive { weight } else { 0 };
        positives_here += positive;
        negatives_here += weight - positive;
        if entry.ends_tie {
            pairs += positives_here * (2 * negatives + negatives_here);
            positives += positives_here;
            negatives += negatives_here;
            (positives_here, negatives_here) = (0, 0);
        }
    }
    let all = 2.0 * positives as f64 * negatives as f64;
    (all > 0.0).then(|| pairs as f64 / all)
}
