use serde::{Deserialize, Serialize};

/// Of each task: which rows of its endless sequence an epoch takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stretches {
    /// Samples.
    pub(super) counts: Vec<usize>,
    /// Rows that earlier epochs took.
    pub(super) before: Vec<usize>,
}

/// Gives so many samples to tasks by their shares, one to each at least: the numbers that are nearest to the shares with this sum.
pub(super) fn allocate(total: usize, shares: &[f64]) -> Vec<usize> {
    let sum: f64 = shares.iter().sum();
    let spare = total.saturating_sub(shares.len());
    // One is certain, the others go by what is left of a share.
    let above: Vec<f64> = shares.iter().map(|share| (total as f64 * share / sum - 1.0).max(0.0)).collect();
    let scale = spare as f64 / above.iter().sum::<f64>().max(1e-12);
    let exact: Vec<f64> = above.iter().map(|count| count * scale).collect();
    let mut counts: Vec<usize> = exact.iter().map(|count| 1 + *count as usize).collect();
    let mut by_rest: Vec<usize> = (0..counts.len()).collect();
    by_rest.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()).then(a.cmp(&b)));
    let missing = total.saturating_sub(counts.iter().sum());
    for &task in by_rest.iter().cycle().take(missing) {
        counts[task] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shares_are_kept_as_nearly_as_whole_numbers_can() {
        assert_eq!(allocate(10, &[1.0, 1.0]), [5, 5]);
        assert_eq!(allocate(10, &[3.0, 1.0, 1.0]), [6, 2, 2]);
        assert_eq!(allocate(10, &[1.0, 0.0]), [9, 1], "nobody is left out");
        assert_eq!(allocate(3, &[0.0, 0.0]), [2, 1]);
    }

    proptest! {
        #[test]
        fn the_sum_is_kept(total in 5_usize..10_000, shares in prop::collection::vec(0.0..1e6_f64, 1..5)) {
            let counts = allocate(total, &shares);
            prop_assert_eq!(counts.iter().sum::<usize>(), total);
            prop_assert!(counts.iter().all(|count| *count >= 1));
        }
    }
}
