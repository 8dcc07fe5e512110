//! What holds for any predictions.

use medley_core::{Labels, Scores, TaskKind};
use medley_metrics::bootstrap::{Resampling, bootstrap};
use medley_metrics::metrics::{self, ALL};
use medley_metrics::{Sample, metric};
use proptest::prelude::*;

use crate::common::{self, Case};

fn value(id: &str, sample: &Sample) -> Option<f64> {
    metric::value(metrics::by_id(id).unwrap(), sample)
}

/// Macro-F1 by its words: of each class that is true or predicted somewhere, precision and recall by looking at every row.
fn macro_f1_by_definition(sample: &Sample) -> f64 {
    let multi_label = sample.kind() == TaskKind::MultiLabel;
    let predicted = |row: usize, class: usize| {
        if multi_label {
            sample.decisions()[row * sample.classes() + class] == 1
        } else {
            usize::from(sample.decisions()[row]) == class
        }
    };
    let share = |of: Vec<usize>, that: &dyn Fn(usize) -> bool| {
        if of.is_empty() { 0.0 } else { of.iter().filter(|&&row| that(row)).count() as f64 / of.len() as f64 }
    };
    let (mut sum, mut count) = (0.0, 0.0);
    for class in 0..sample.classes() {
        let truly: Vec<usize> = (0..sample.rows()).filter(|&row| sample.is_positive(row, class)).collect();
        let guessed: Vec<usize> = (0..sample.rows()).filter(|&row| predicted(row, class)).collect();
        if truly.is_empty() && guessed.is_empty() && !multi_label {
            continue;
        }
        let recall = share(truly, &|row| predicted(row, class));
        let precision = share(guessed, &|row| sample.is_positive(row, class));
        sum += if precision + recall == 0.0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
        count += 1.0;
    }
    if count == 0.0 { 0.0 } else { sum / count }
}

proptest! {
    #[test]
    fn macro_f1_is_its_definition(number in 0_u64..1 << 40) {
        let sample = Case::new(number).sample();
        let found = value("macro_f1", &sample).unwrap();
        prop_assert!((found - macro_f1_by_definition(&sample)).abs() < 1e-12);
    }

    #[test]
    fn ranking_keeps_under_monotone_maps(number in 0_u64..1 << 40) {
        let case = Case::new(number);
        // Doubling is exact, so it makes and breaks no ties.
        let mapped: Vec<f64> = case.scores.view().iter().map(|score| 2.0 * score).collect();
        let mapped = Scores::new(mapped, case.scores.rows(), case.scores.columns()).unwrap();
        let mapped = Sample::new(&case.spec, case.labels.clone(), mapped).unwrap();
        for id in ["auc", "average_precision", "top_2"] {
            prop_assert_eq!(value(id, &case.sample()), value(id, &mapped));
        }
    }

    #[test]
    fn metrics_stay_in_their_range_in_every_resample(number in 0_u64..1 << 40, seed: u64) {
        let sample = Case::new(number).sample();
        let resampled = bootstrap(&sample, ALL, &Resampling { resamples: 6, seed, ..Resampling::default() });
        for (metric, resampled) in ALL.iter().zip(resampled) {
            let (low, high) = metric.info().range;
            let all = resampled.draws.iter().copied().chain(resampled.value).filter(|draw| !draw.is_nan());
            for draw in all {
                prop_assert!((low..=high).contains(&draw), "{}: {draw}", metric.info().id);
            }
        }
    }

    #[test]
    fn a_perfect_prediction_has_perfect_metrics(labels in prop::collection::vec(0_u16..4, 1..40)) {
        let truth = Labels::single(labels.clone()).unwrap();
        let scores: Vec<f64> = labels.iter().flat_map(|&label| (0..4).map(move |class| f64::from(u8::from(class == label)))).collect();
        let scores = Scores::new(scores, labels.len(), 4).unwrap();
        let sample = Sample::new(&common::task(TaskKind::Ordinal, 4), truth, scores).unwrap();
        for id in ["accuracy", "macro_f1", "balanced_accuracy", "top_2"] {
            prop_assert_eq!(value(id, &sample), Some(1.0), "{}", id);
        }
        for id in ["mean_absolute_error", "brier", "ece"] {
            prop_assert_eq!(value(id, &sample), Some(0.0), "{}", id);
        }
        prop_assert!(value("log_loss", &sample).unwrap() < 1e-15);
    }
}
