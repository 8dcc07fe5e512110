//! Which rows are fitted on and which are held out.

use medley_core::seed::{Purpose, stream};
use medley_core::{Labels, TaskKind};
use rand::Rng as _;

/// Parts of about equal size: each row is in one, and each class is spread evenly over them. Of a multi-label task, rows are spread by
/// the number of labels that are set.
///
/// The same seed gives the same folds, in any order of tasks.
pub(crate) fn drawn(kind: TaskKind, labels: &Labels, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let stratum = |row: usize| match kind {
        TaskKind::MultiLabel => labels.row(row).iter().map(|&set| usize::from(set)).sum(),
        _ => usize::from(labels.values()[row]),
    };
    let mut keyed: Vec<(usize, u64, usize)> = Vec::with_capacity(labels.rows());
    let mut rng = stream(seed, Purpose::Folds, &[]);
    for row in 0..labels.rows() {
        keyed.push((stratum(row), rng.next_u64(), row));
    }
    keyed.sort_unstable();
    let mut folds = vec![Vec::new(); count];
    for (at, (.., row)) in keyed.into_iter().enumerate() {
        folds[at % count].push(row);
    }
    for fold in &mut folds {
        fold.sort_unstable();
    }
    folds
}

/// For each fold the rows of all others, ascending, and its own.
pub(crate) fn splits(folds: &[Vec<usize>], rows: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
    let others = |fold: &Vec<usize>| (0..rows).filter(|row| fold.binary_search(row).is_err()).collect();
    folds.iter().map(|fold| (others(fold), fold.clone())).collect()
}

/// Values of rows, `width` each, put where their rows belong.
pub(crate) fn scatter<T: Copy>(into: &mut [T], rows: &[usize], width: usize, values: &[T]) {
    for (&row, values) in rows.iter().zip(values.chunks_exact(width)) {
        into[row * width..(row + 1) * width].copy_from_slice(values);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_row_is_held_out_once_and_classes_are_spread(
            labels in prop::collection::vec(0_u16..4, 10..80), count in 2_usize..6, seed: u64,
        ) {
            let rows = labels.len();
            let of_class = |fold: &[usize], class| fold.iter().filter(|&&row| labels[row] == class).count();
            let folds = drawn(TaskKind::MultiClass, &Labels::single(labels.clone()).unwrap(), count, seed);
            let mut all: Vec<usize> = folds.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..rows).collect::<Vec<_>>());
            for class in 0..4 {
                let counts: Vec<usize> = folds.iter().map(|fold| of_class(fold, class)).collect();
                prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{:?}", counts);
            }
            for (others, own) in splits(&folds, rows) {
                prop_assert_eq!(others.len() + own.len(), rows);
            }
        }
    }
}
