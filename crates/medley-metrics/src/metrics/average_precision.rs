use super::mean_over_columns;
use crate::metric::{ANY_KIND, Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::{Draw, RankOrder, Sample};

/// Average precision, the sum over thresholds of precision times the gain in recall, without interpolation, as scikit-learn's
/// `average_precision_score`: of the last column for binary tasks, else the mean over classes or labels, one against the
/// rest. Not defined when a class has no example: scikit-learn counts 0 there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AveragePrecision;

impl Metric for AveragePrecision {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "average_precision",
            title: "average precision",
            range: (0.0, 1.0),
            better: Better::Higher,
            kinds: ANY_KIND,
            needs: Needs::Scores,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        mean_over_columns(sample, weighted)
    }
}

fn weighted(order: &RankOrder, draw: &Draw) -> Option<f64> {
    let weights = draw.weights();
    // Downwards, an entry that ends a tie begins it.
    let (mut sum, mut positives, mut drawn, mut positives_here) = (0.0, 0_u64, 0_u64, 0_u64);
    let close = |positives_here: u64, positives: u64, drawn: u64| {
        if positives_here == 0 { 0.0 } else { positives_here as f64 * (positives as f64 / drawn as f64) }
    };
    for entry in order.ascending().rev() {
        if entry.ends_tie {
            sum += close(positives_here, positives, drawn);
            positives_here = 0;
        }
        let weight = u64::from(weights[entry.row]);
        drawn += weight;
        if entry.positive {
            positives += weight;
            positives_here += weight;
        }
    }
    sum += close(positives_here, positives, drawn);
    (positives > 0).then(|| sum / positives as f64)
}
