use medley_core::TaskKind;

use crate::metric::{Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// Cohen's kappa with quadratic weights (Cohen, 1968), for ordered grades: 1 is agreement, 0 what chance would give. Distances
/// are those of the grades, as scikit-learn's `cohen_kappa_score(weights="quadratic", labels=range(C))`; without `labels` it
/// closes the gaps that absent grades leave. Not defined where truth and decisions are one grade throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuadraticKappa;

impl Metric for QuadraticKappa {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "quadratic_kappa",
            title: "quadratic kappa",
            range: (-1.0, 1.0),
            better: Better::Higher,
            kinds: &[TaskKind::Ordinal],
            needs: Needs::Decisions,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let grades = sample.classes();
        Box::new(move |draw| {
            let (mut observed, mut expected) = (0.0, 0.0);
            for truth in 0..grades {
                for guess in 0..grades {
                    let distance = (truth as f64 - guess as f64).powi(2);
                    observed += distance * draw.confusion()[truth * grades + guess] as f64;
                    let (support, predicted) = (draw.classes()[truth].support, draw.classes()[guess].predicted);
                    expected += distance * support as f64 * predicted as f64;
                }
            }
            (expected > 0.0).then(|| 1.0 - observed * draw.total() as f64 / expected)
        })
    }
}
