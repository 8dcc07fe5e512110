//! The metrics, one file each, and the list of them.

mod accuracy;
mod auc;
mod average_precision;
mod balanced_accuracy;
mod brier;
mod calibration;
mod f1;
mod kappa;
mod log_loss;
mod matthews;
mod mean_absolute_error;
mod precision;
mod recall;
mod specificity;
mod top_k;

pub use accuracy::Accuracy;
pub use auc::Auc;
pub use average_precision::AveragePrecision;
pub use balanced_accuracy::BalancedAccuracy;
pub use brier::Brier;
pub use calibration::{Binning, CalibrationError, RarityCalibration, calibration_by_rarity};
pub use f1::F1;
pub use kappa::QuadraticKappa;
pub use log_loss::LogLoss;
pub use matthews::Matthews;
pub use mean_absolute_error::MeanAbsoluteError;
pub use precision::Precision;
pub use recall::Recall;
pub use specificity::Specificity;
pub use top_k::TopK;

use crate::metric::{Metric, Prepared};
use crate::sample::{ClassCounts, Draw, RankOrder, Sample};

/// Every metric, in the order of tables. A new one is a file beside this one and a line here.
pub static ALL: &[&dyn Metric] = &[
    &Auc,
    &Accuracy,
    &F1(Average::Macro),
    &F1(Average::Micro),
    &F1(Average::Weighted),
    &Precision(Average::Macro),
    &Precision(Average::Micro),
    &Precision(Average::Weighted),
    &Recall(Average::Macro),
    &Recall(Average::Micro),
    &Recall(Average::Weighted),
    &Specificity,
    &BalancedAccuracy,
    &Matthews,
    &QuadraticKappa,
    &MeanAbsoluteError,
    &AveragePrecision,
    &Brier,
    &LogLoss,
    &CalibrationError(Binning::EqualWidth),
    &CalibrationError(Binning::EqualMass),
    &TopK(2),
    &TopK(3),
];

/// The metrics of a table that is read by people: the official two, and the competition's.
pub static HEADLINE: &[&dyn Metric] = &[&Auc, &Accuracy, &F1(Average::Macro)];

/// A metric by its key, such as `macro_f1`.
pub fn by_id(id: &str) -> Option<&'static dyn Metric> {
    ALL.iter().copied().find(|metric| metric.info().id == id)
}

/// How metrics of classes become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Average {
    /// The mean over classes: those that are true or predicted anywhere (scikit-learn's union of labels); all labels of a
    /// multi-label task.
    Macro,
    /// From the counts of all classes together.
    Micro,
    /// The mean weighted by how often each class is true.
    Weighted,
}

impl Average {
    /// Averages `metric`, a function of the counts of one class, as scikit-learn with `zero_division=0`.
    pub(crate) fn of(self, classes: &[ClassCounts], multi_label: bool, metric: fn(ClassCounts) -> f64) -> f64 {
        match self {
            Self::Macro => {
                let (mut sum, mut count) = (0.0, 0_usize);
                for &class in classes.iter().filter(|class| multi_label || class.occurs()) {
                    sum += metric(class);
                    count += 1;
                }
                sum / count.max(1) as f64
            }
            Self::Micro => metric(classes.iter().fold(ClassCounts::default(), |sum, class| ClassCounts {
                hits: sum.hits + class.hits,
                support: sum.support + class.support,
                predicted: sum.predicted + class.predicted,
            })),
            Self::Weighted => {
                let support: u64 = classes.iter().map(|class| class.support).sum();
                let sum: f64 = classes.iter().map(|&class| class.support as f64 * metric(class)).sum();
                if support == 0 { 0.0 } else { sum / support as f64 }
            }
        }
    }
}

/// `a / b`, and 0 where `b` is 0.
pub(crate) fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// The mean over the ranked columns of a metric of one of them; not defined when one of them is not.
fn mean_over_columns(sample: &Sample, metric: fn(&RankOrder, &Draw) -> Option<f64>) -> Prepared<'_> {
    let orders: Vec<&RankOrder> =
        sample.ranked_columns().into_iter().map(|(column, class)| sample.order(column, class)).collect();
    Box::new(move |draw| {
        let mut sum = 0.0;
        for order in &orders {
            sum += metric(order, draw)?;
        }
        Some(sum / orders.len() as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_conforms() {
        for metric in ALL {
            crate::conformance::check_metric(*metric);
        }
    }

    #[test]
    fn ids_are_unique_and_found() {
        for (index, metric) in ALL.iter().enumerate() {
            let id = metric.info().id;
            assert_eq!(ALL.iter().position(|other| other.info().id == id), Some(index), "{id}");
            assert!(by_id(id).is_some());
        }
        assert!(by_id("f2").is_none());
        assert!(HEADLINE.iter().all(|metric| by_id(metric.info().id).is_some()));
    }
}
