//! Area under the ROC curve.

use medley_core::record::ClassResult;

use crate::sample::sort_key;

/// The AUC of `scores` for telling `truth` (positive or not): the probability that a random positive scores above a random
/// negative, ties counting half (the Mann-Whitney statistic; Hanley and `McNeil`, 1982). Equal to scikit-learn's
/// `roc_auc_score`. `None` when one of the two is absent: it is undefined. O(n log n).
///
/// # Panics
/// If the lengths differ.
pub fn auc(truth: &[bool], scores: &[f64]) -> Option<f64> {
    assert_eq!(truth.len(), scores.len(), "one score per row");
    // Two sorts of bare integers are several times faster than one of indices that look up floats.
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    for (&positive, &score) in truth.iter().zip(scores) {
        if positive { &mut positives } else { &mut negatives }.push(sort_key(score));
    }
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    positives.sort_unstable();
    negatives.sort_unstable();
    // Twice the number of (positive above negative) pairs, ties once: an exact integer.
    let (mut pairs, mut below, mut not_above) = (0_u128, 0, 0);
    for &key in &positives {
        while negatives.get(below).is_some_and(|&negative| negative < key) {
            below += 1;
        }
        not_above = not_above.max(below);
        while negatives.get(not_above).is_some_and(|&negative| negative == key) {
            not_above += 1;
        }
        pairs += (below + not_above) as u128;
    }
    Some(pairs as f64 / (2.0 * positives.len() as f64 * negatives.len() as f64))
}

/// Why the AUC of a task is not defined, of the counts of its classes: what has no example, or nothing else has one. `None` where
/// the counts are no reason.
pub fn undefined_auc(rows: usize, classes: &[ClassResult]) -> Option<String> {
    let of = |wanted: u64| {
        let found: Vec<&str> =
            classes.iter().filter(|class| class.support == wanted).map(|class| class.name.as_str()).collect();
        // A set may have hundreds of labels.
        let shown = found.iter().take(3).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let more = found.len().saturating_sub(3);
        (!found.is_empty()).then(|| if more > 0 { format!("{shown} and {more} more") } else { shown })
    };
    let absent = of(0).map(|names| format!("no image is of {names}"));
    absent.or_else(|| Some(format!("every image is of {}", of(rows as u64)?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By definition: all pairs.
    fn slow(truth: &[bool], scores: &[f64]) -> Option<f64> {
        let (mut sum, mut pairs) = (0.0, 0.0);
        for (i, _) in truth.iter().enumerate().filter(|(_, positive)| **positive) {
            for (j, _) in truth.iter().enumerate().filter(|(_, positive)| !**positive) {
                pairs += 1.0;
                sum += if scores[i] > scores[j] {
                    1.0
                } else if scores[i] == scores[j] {
                    0.5
                } else {
                    0.0
                };
            }
        }
        (pairs > 0.0).then(|| sum / pairs)
    }

    #[test]
    fn what_leaves_it_undefined_is_named() {
        let class = |name: &str, support| crate::confusion::class_result(name, 0, support, 0);
        let why = |supports: &[u64]| {
            let names = ["a", "b", "c", "d", "e"];
            let classes: Vec<ClassResult> =
                names.iter().zip(supports).map(|(name, &support)| class(name, support)).collect();
            undefined_auc(9, &classes)
        };
        assert_eq!(why(&[4, 5]), None);
        assert_eq!(why(&[9, 0]).unwrap(), "no image is of `b`");
        assert_eq!(why(&[0, 0, 9, 0, 0]).unwrap(), "no image is of `a`, `b`, `d` and 1 more");
        // A label of several that every image has.
        assert_eq!(why(&[9, 3]).unwrap(), "every image is of `a`");
    }

    #[test]
    fn known_values() {
        // The example of scikit-learn's documentation.
        assert_eq!(auc(&[false, false, true, true], &[0.1, 0.4, 0.35, 0.8]), Some(0.75));
        assert_eq!(auc(&[true, true], &[0.1, 0.2]), None);
        assert_eq!(auc(&[true, false], &[0.5, 0.5]), Some(0.5));
        assert_eq!(auc(&[true, false], &[0.0, -0.0]), Some(0.5));
    }

    proptest! {
        #[test]
        fn equals_the_definition(rows in prop::collection::vec((any::<bool>(), 0_u8..12), 0..80)) {
            let truth: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| f64::from(row.1) / 7.0).collect();
            match (auc(&truth, &scores), slow(&truth, &scores)) {
                (Some(fast), Some(slow)) => prop_assert!((fast - slow).abs() < 1e-12),
                (fast, slow) => prop_assert_eq!(fast, slow),
            }
        }

        #[test]
        fn keeps_under_monotone_maps_and_mirrors_under_negation(
            rows in prop::collection::vec((any::<bool>(), -5.0..5.0_f64), 2..60),
        ) {
            let truth: Vec<bool> = rows.iter().map(|row| row.0).collect();
            let scores: Vec<f64> = rows.iter().map(|row| row.1).collect();
            let mapped: Vec<f64> = scores.iter().map(|score| 3.0 * score + 1.0).collect();
            let negated: Vec<f64> = scores.iter().map(|score| -score).collect();
            prop_assert_eq!(auc(&truth, &scores), auc(&truth, &mapped));
            if let (Some(a), Some(b)) = (auc(&truth, &scores), auc(&truth, &negated)) {
                prop_assert!((a + b - 1.0).abs() < 1e-12);
            }
        }
    }
}
