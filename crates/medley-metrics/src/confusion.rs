//! Confusion matrices and what follows from them.

use medley_core::record::ClassResult;
use ndarray::Array2;

/// Counts `[truth, predicted]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confusion {
    counts: Array2<u64>,
}

impl Confusion {
    /// Counts pairs of truth and prediction.
    ///
    /// # Panics
    /// If a value is not below `classes`, or the lengths differ.
    pub fn new(truth: &[u16], predicted: &[u16], classes: usize) -> Self {
        assert_eq!(truth.len(), predicted.len(), "one prediction per row");
        let mut counts = Array2::zeros((classes, classes));
        for (&truth, &predicted) in truth.iter().zip(predicted) {
            counts[(usize::from(truth), usize::from(predicted))] += 1;
        }
        Self { counts }
    }

    /// The matrix.
    pub fn counts(&self) -> &Array2<u64> {
        &self.counts
    }

    /// The matrix as rows.
    pub fn to_rows(&self) -> Vec<Vec<u64>> {
        self.counts.rows().into_iter().map(|row| row.to_vec()).collect()
    }

    /// Precision, recall and F1 of each class; 0 where a denominator is 0 (scikit-learn's `zero_division=0`).
    pub fn per_class(&self, names: &[String]) -> Vec<ClassResult> {
        names
            .iter()
            .enumerate()
            .map(|(class, name)| {
                let hits = self.counts[(class, class)];
                class_result(name, hits, self.counts.row(class).sum(), self.counts.column(class).sum())
            })
            .collect()
    }
}

/// Metrics of one class from its three counts.
pub(crate) fn class_result(name: &str, hits: u64, support: u64, predicted: u64) -> ClassResult {
    ClassResult {
        name: name.to_owned(),
        support,
        predicted,
        precision: ratio(hits, predicted),
        recall: ratio(hits, support),
        f1: ratio(2 * hits, support + predicted),
    }
}

/// Macro-F1: the mean of F1 over the classes that occur in truth or prediction, as scikit-learn's
/// `f1_score(average="macro", zero_division=0)` with its default labels. A class that is predicted and never true counts with
/// 0; one that is neither does not count. 0 when there is no class at all.
pub fn macro_f1(per_class: &[ClassResult]) -> f64 {
    let present: Vec<f64> =
        per_class.iter().filter(|class| class.support + class.predicted > 0).map(|class| class.f1).collect();
    if present.is_empty() { 0.0 } else { present.iter().sum::<f64>() / present.len() as f64 }
}

fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn names(classes: usize) -> Vec<String> {
        (0..classes).map(|class| class.to_string()).collect()
    }

    #[test]
    fn the_union_of_labels_counts() {
        // scikit-learn: f1_score([0, 0, 1], [0, 2, 1], average="macro") = mean(2/3, 1, 0).
        let classes = Confusion::new(&[0, 0, 1], &[0, 2, 1], 4).per_class(&names(4));
        assert!((macro_f1(&classes) - (2.0 / 3.0 + 1.0) / 3.0).abs() < 1e-15);
        assert_eq!(classes[3].f1, 0.0);
        assert_eq!(macro_f1(&[]), 0.0);
    }

    proptest! {
        #[test]
        fn agrees_with_precision_and_recall(rows in prop::collection::vec((0_u16..4, 0_u16..4), 1..60)) {
            let (truth, predicted): (Vec<u16>, Vec<u16>) = rows.into_iter().unzip();
            let confusion = Confusion::new(&truth, &predicted, 4);
            prop_assert_eq!(confusion.counts().sum() as usize, truth.len());
            for class in confusion.per_class(&names(4)) {
                let sum = class.precision + class.recall;
                let expected = if sum == 0.0 { 0.0 } else { 2.0 * class.precision * class.recall / sum };
                prop_assert!((class.f1 - expected).abs() < 1e-12);
                prop_assert!((0.0..=1.0).contains(&class.f1));
            }
        }
    }
}
