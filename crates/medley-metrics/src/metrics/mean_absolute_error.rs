use medley_core::TaskKind;

use crate::metric::{Better, Metric, MetricInfo, Needs, Prepared};
use crate::sample::Sample;

/// Mean distance between true and decided grade, for ordered grades; scikit-learn's `mean_absolute_error` of class indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MeanAbsoluteError;

impl Metric for MeanAbsoluteError {
    fn info(&self) -> MetricInfo {
        MetricInfo {
            id: "mean_absolute_error",
            title: "MAE",
            range: (0.0, f64::INFINITY),
            better: Better::Lower,
            kinds: &[TaskKind::Ordinal],
            needs: Needs::Decisions,
        }
    }

    fn prepare<'a>(&self, sample: &'a Sample) -> Prepared<'a> {
        let grades = sample.classes();
        Box::new(move |draw| {
            let cells = draw.confusion().iter().enumerate();
            let sum: u64 = cells.map(|(cell, count)| (cell / grades).abs_diff(cell % grades) as u64 * count).sum();
            (draw.total() > 0).then(|| sum as f64 / draw.total() as f64)
        })
    }
}
