//! From tasks to one number, and from seeds to mean and spread.

use medley_core::record::{ScoreSet, SeedResult, Spread, TaskResult};
use medley_core::statistics::{mean, standard_deviation};

/// The harmonic mean `n / sum(1 / x)`. Strict: 0 if any value is 0 or below, as the formula's limit says, and 0 of no values.
/// Some public code drops zeros instead, see [`harmonic_mean_without_zeros`].
pub fn harmonic_mean(values: &[f64]) -> f64 {
    if values.is_empty() || values.iter().any(|&value| value <= 0.0) {
        return 0.0;
    }
    values.len() as f64 / values.iter().map(|value| 1.0 / value).sum::<f64>()
}

/// The harmonic mean of the values above 0, as two public competition entries compute it. It flatters a model that fails a
/// task altogether, and is here to compare with them only.
pub fn harmonic_mean_without_zeros(values: &[f64]) -> f64 {
    let positive: Vec<f64> = values.iter().copied().filter(|&value| value > 0.0).collect();
    harmonic_mean(&positive)
}

/// Puts the results of all tasks together.
pub fn score_set(tasks: Vec<TaskResult>) -> ScoreSet {
    let values: Vec<f64> = tasks.iter().map(|task| task.macro_f1).collect();
    ScoreSet { harmonic_mean: harmonic_mean(&values), tasks, intervals: None }
}

/// Mean and spread over seeds of the test metrics: AUC, accuracy and macro-F1 of each task, then the harmonic mean under the
/// task name `all`. An AUC that is undefined for a seed is left out for that task.
pub fn summarise(seeds: &[SeedResult]) -> Vec<Spread> {
    summarise_sets(&seeds.iter().filter_map(|seed| seed.test.as_ref()).collect::<Vec<_>>())
}

/// As [`summarise`], for the results of any split, one set per seed.
pub fn summarise_sets(sets: &[&ScoreSet]) -> Vec<Spread> {
    let mut spreads = Vec::new();
    let Some(first) = sets.first() else { return spreads };
    for (index, task) in first.tasks.iter().enumerate() {
        let of = |metric: fn(&TaskResult) -> Option<f64>| -> Vec<f64> {
            sets.iter().filter_map(|set| set.tasks.get(index).and_then(metric)).collect()
        };
        spreads.extend(spread(&task.task, "auc", &of(|task| task.auc)));
        spreads.extend(spread(&task.task, "accuracy", &of(|task| Some(task.accuracy))));
        spreads.extend(spread(&task.task, "macro_f1", &of(|task| Some(task.macro_f1))));
    }
    let means: Vec<f64> = sets.iter().map(|set| set.harmonic_mean).collect();
    spreads.extend(spread("all", "harmonic_mean", &means));
    spreads
}

fn spread(task: &str, metric: &str, values: &[f64]) -> Option<Spread> {
    Some(Spread {
        task: task.to_owned(),
        metric: metric.to_owned(),
        mean: mean(values),
        standard_deviation: standard_deviation(values),
        min: values.iter().copied().min_by(f64::total_cmp)?,
        max: values.iter().copied().max_by(f64::total_cmp)?,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn zeros_are_strict_or_left_out() {
        assert_eq!(harmonic_mean(&[0.5, 0.0]), 0.0);
        assert_eq!(harmonic_mean_without_zeros(&[0.5, 0.0]), 0.5);
        assert_eq!(harmonic_mean(&[]), 0.0);
        // A published set of eleven macro-F1 and its printed harmonic mean (Balanced Multi-Task Learning for MedMNIST, 2026).
        let published = [0.8803, 0.6208, 0.8050, 0.8254, 0.3718, 0.7949, 0.9702, 0.6104, 0.9400, 0.9143, 0.7698];
        assert!((harmonic_mean(&published) - 0.7202).abs() < 5e-5);
    }

    #[test]
    fn spread_is_the_sample_deviation() {
        let spread = spread("t", "auc", &[1.0, 2.0, 3.0]).unwrap();
        assert_eq!((spread.mean, spread.standard_deviation, spread.min, spread.max), (2.0, Some(1.0), 1.0, 3.0));
        assert!(super::spread("t", "auc", &[]).is_none());
        assert_eq!(super::spread("t", "auc", &[1.0]).unwrap().standard_deviation, None);
    }

    proptest! {
        #[test]
        fn lies_between_smallest_and_arithmetic_mean(values in prop::collection::vec(0.001..1.0_f64, 1..20)) {
            let mean = harmonic_mean(&values);
            let arithmetic = values.iter().sum::<f64>() / values.len() as f64;
            let smallest = values.iter().copied().fold(f64::INFINITY, f64::min);
            prop_assert!(mean <= arithmetic + 1e-12 && mean >= smallest - 1e-12);
        }
    }
}
