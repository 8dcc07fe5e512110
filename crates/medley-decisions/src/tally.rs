//! Macro-F1 of decisions that change one by one.

use medley_core::TaskKind;

/// Hits, true and predicted examples per class, kept up to date while decisions move from class to class: a search over a threshold
/// counts the rows once.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    every_class_counts: bool,
    hits: Vec<u32>,
    support: Vec<u32>,
    predicted: Vec<u32>,
}

impl Tally {
    /// No rows yet.
    pub(crate) fn new(kind: TaskKind, classes: usize) -> Self {
        let zeros = || vec![0; classes];
        let every_class_counts = kind == TaskKind::MultiLabel;
        Self { every_class_counts, hits: zeros(), support: zeros(), predicted: zeros() }
    }

    /// Of decisions `[N]` for labels `[N]`; of a multi-label task, both are `[N * L]`.
    pub(crate) fn of(kind: TaskKind, classes: usize, labels: &[u16], decisions: &[u16]) -> Self {
        let mut tally = Self::new(kind, classes);
        for (at, (&label, &decision)) in labels.iter().zip(decisions).enumerate() {
            if kind == TaskKind::MultiLabel {
                tally.add_label(at % classes, label == 1, decision == 1, 1);
            } else {
                tally.add(label.into(), decision.into(), 1);
            }
        }
        tally
    }

    /// Adds a row of a true class, decided for another, so many times.
    pub(crate) fn add(&mut self, truth: usize, decision: usize, times: u32) {
        self.support[truth] += times;
        self.predicted[decision] += times;
        self.hits[truth] += if truth == decision { times } else { 0 };
    }

    /// Adds one label of a row of a multi-label task, so many times.
    pub(crate) fn add_label(&mut self, label: usize, truth: bool, decision: bool, times: u32) {
        self.support[label] += if truth { times } else { 0 };
        self.predicted[label] += if decision { times } else { 0 };
        self.hits[label] += if truth && decision { times } else { 0 };
    }

    /// Decides otherwise for a row that was added.
    pub(crate) fn change(&mut self, truth: usize, from: usize, to: usize) {
        self.predicted[from] -= 1;
        self.predicted[to] += 1;
        self.hits[truth] -= u32::from(truth == from);
        self.hits[truth] += u32::from(truth == to);
    }

    /// As `medley_metrics` and scikit-learn define it: a class that is neither true nor predicted does not count, a label always does.
    pub(crate) fn macro_f1(&self) -> f64 {
        let (mut sum, mut count) = (0.0, 0_u32);
        for class in 0..self.hits.len() {
            let occurrences = self.support[class] + self.predicted[class];
            if occurrences > 0 {
                sum += f64::from(2 * self.hits[class]) / f64::from(occurrences);
            }
            count += u32::from(occurrences > 0 || self.every_class_counts);
        }
        sum / f64::from(count.max(1))
    }
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Labels, Modality, Origin, TaskSpec};
    use medley_metrics::{Sample, metric, metrics};
    use proptest::prelude::*;

    use super::*;

    fn by_the_metric(kind: TaskKind, classes: usize, labels: &[u16], decisions: &[u16]) -> f64 {
        let spec = TaskSpec {
            name: "t".into(),
            title: "T".into(),
            kind,
            modality: Modality::Other,
            classes: (0..classes).map(|class| class.to_string()).collect(),
            shape: ImageShape::flat(1, 1, 1),
            origin: Origin::User,
        };
        let width = spec.label_width();
        let labels = Labels::multi(labels.to_vec(), labels.len() / width, width).unwrap();
        let sample = Sample::from_decisions(&spec, labels, decisions.to_vec()).unwrap();
        metric::value(metrics::by_id("macro_f1").unwrap(), &sample).unwrap()
    }

    proptest! {
        #[test]
        fn it_is_the_metric_however_it_was_reached(
            rows in prop::collection::vec((0_u16..4, 0_u16..4, 0_u16..4), 1..60),
        ) {
            let labels: Vec<u16> = rows.iter().map(|row| row.0).collect();
            let (first, last): (Vec<u16>, Vec<u16>) = rows.iter().map(|row| (row.1, row.2)).unzip();
            let mut tally = Tally::of(TaskKind::MultiClass, 4, &labels, &first);
            prop_assert!((tally.macro_f1() - by_the_metric(TaskKind::MultiClass, 4, &labels, &first)).abs() < 1e-12);
            for &(truth, from, to) in &rows {
                tally.change(truth.into(), from.into(), to.into());
            }
            prop_assert!((tally.macro_f1() - by_the_metric(TaskKind::MultiClass, 4, &labels, &last)).abs() < 1e-12);
        }

        #[test]
        fn every_label_counts(rows in prop::collection::vec((0_u16..2, 0_u16..2), 3..60)) {
            let whole = rows.len() / 3 * 3;
            let (labels, decisions): (Vec<u16>, Vec<u16>) = rows[..whole].iter().copied().unzip();
            let tally = Tally::of(TaskKind::MultiLabel, 3, &labels, &decisions);
            prop_assert!((tally.macro_f1() - by_the_metric(TaskKind::MultiLabel, 3, &labels, &decisions)).abs() < 1e-12);
        }
    }
}
