//! Training on a part of the rows: what a data set half as large would have taught, for a learning curve.
//!
//! The same part of each class, and one row of each at least. Parts are nested: the rows of a smaller one are among those of a larger one,
//! so that a curve shows what more rows bring and not what other rows do. Validation and test rows stay as they are.

use medley_core::seed::{Purpose, stream};
use medley_core::{CoreError, Labels, OpenedTask, Split, TaskKind};
use rand::seq::SliceRandom as _;

use crate::folds::{by_stratum, chosen, strata};

/// Rows of that part of the training split, in their order. Of tasks with many labels, the same part of the rows with each rarest label.
/// `fraction` lies in (0, 1]; another `seed` draws other rows.
pub fn rows(labels: &Labels, kind: TaskKind, fraction: f64, seed: u64) -> Vec<usize> {
    let mut kept = Vec::new();
    for (stratum, mut rows) in by_stratum(&strata(labels, kind)) {
        rows.shuffle(&mut stream(seed, Purpose::Split, &[u64::MAX - 2, stratum as u64]));
        let count = (rows.len() as f64 * fraction).round() as usize;
        kept.extend_from_slice(&rows[..count.clamp(1, rows.len())]);
    }
    kept.sort_unstable();
    kept
}

/// A data set with that part of its training rows.
///
/// # Errors
/// [`CoreError`] where labels and images do not belong together.
pub(crate) fn keep(task: &OpenedTask, fraction: f64, seed: u64) -> Result<OpenedTask, CoreError> {
    let labels = task.train.labels();
    let rows = rows(labels, task.spec.kind, fraction, seed);
    Ok(OpenedTask {
        spec: task.spec.clone(),
        train: chosen(task, Split::Train, labels, rows)?,
        val: task.val.clone(),
        test: task.test.clone(),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn parts_are_nested_and_even(
            labels in prop::collection::vec(0_u16..4, 1..200), small in 0.01..1.0_f64, more in 0.0..1.0_f64, seed in 0_u64..5,
        ) {
            let of = |fraction: f64| rows(&Labels::single(labels.clone()).unwrap(), TaskKind::MultiClass, fraction, seed);
            let (few, many) = (of(small), of(small + (1.0 - small) * more));
            prop_assert!(few.iter().all(|row| many.contains(row)));
            prop_assert!(few.is_sorted() && many.is_sorted());
            for class in 0..4 {
                let all = labels.iter().filter(|label| **label == class).count();
                let kept = few.iter().filter(|&&row| labels[row] == class).count();
                let exact = all as f64 * small;
                prop_assert!((kept as f64 - exact).abs() <= 0.5 || kept == 1, "{} of {}, {}", kept, all, small);
                prop_assert_eq!(kept == 0, all == 0);
            }
            prop_assert_eq!(of(1.0).len(), labels.len());
        }
    }

    #[test]
    fn another_seed_draws_other_rows() {
        let labels = Labels::single((0..60).map(|row| row % 3).collect()).unwrap();
        let of = |seed| rows(&labels, TaskKind::Ordinal, 0.3, seed);
        assert_eq!((of(0), of(0).len()), (of(0), 18));
        assert_ne!(of(0), of(1));
    }
}
