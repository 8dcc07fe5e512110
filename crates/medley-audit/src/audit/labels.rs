//! Classes that are absent, or rarer in one split than in another.

use medley_core::{Labels, Split, TaskKind};
use serde::Serialize;
use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use super::AuditedSet;

/// What the labels of a set tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LabelFindings {
    /// Classes without an example, of the splits whose labels are known.
    pub absent: Vec<AbsentClass>,
    /// How priors change from train to the other splits whose labels are known.
    pub shifts: Vec<PriorShift>,
}

/// A class that a split lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AbsentClass {
    /// The split.
    pub split: Split,
    /// Number of the class.
    pub class: usize,
    /// Its name.
    pub name: String,
}

/// How class priors change from train to another split.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriorShift {
    /// The other split.
    pub split: Split,
    /// Half the sum of the absolute differences of the priors, 0 to 1: the share of images that would have to change class.
    /// For multi-label sets the largest difference of a label's prior.
    pub distance: f64,
    /// Probability of so large a shift if both splits were sampled from the same images (chi-squared test of homogeneity).
    /// None for multi-label sets.
    pub p_value: Option<f64>,
    /// All classes.
    pub classes: Vec<ClassShift>,
}

/// The prior of a class in two splits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassShift {
    /// Its name.
    pub name: String,
    /// Share of train, 0 to 1.
    pub train: f64,
    /// Share of the other split, 0 to 1.
    pub other: f64,
}

pub(super) fn findings(set: &AuditedSet<'_>) -> LabelFindings {
    let classes = &set.task.spec.classes;
    let mut absent = Vec::new();
    for split in Split::ALL {
        let Some(labels) = set.labels(split) else { continue };
        let counts = labels.class_counts(classes.len());
        let missing = counts.iter().enumerate().filter(|(_, count)| **count == 0);
        absent.extend(missing.map(|(class, _)| AbsentClass { split, class, name: classes[class].clone() }));
    }
    let others = [Split::Val, Split::Test].into_iter();
    let shifts = others.filter_map(|split| set.labels(split).map(|labels| shift(set, split, labels))).collect();
    LabelFindings { absent, shifts }
}

fn shift(set: &AuditedSet<'_>, split: Split, labels: &Labels) -> PriorShift {
    let spec = &set.task.spec;
    let train_labels = set.task.train.labels();
    let (train, other) = (train_labels.class_counts(spec.outputs()), labels.class_counts(spec.outputs()));
    let share = |counts: &[usize], rows: usize, class: usize| counts[class] as f64 / rows.max(1) as f64;
    let classes: Vec<ClassShift> = spec
        .classes
        .iter()
        .enumerate()
        .map(|(class, name)| ClassShift {
            name: name.clone(),
            train: share(&train, train_labels.rows(), class),
            other: share(&other, labels.rows(), class),
        })
        .collect();
    let differences = classes.iter().map(|class| (class.train - class.other).abs());
    let multi = spec.kind == TaskKind::MultiLabel;
    let distance = if multi { differences.fold(0.0, f64::max) } else { 0.5 * differences.sum::<f64>() };
    PriorShift { split, distance, p_value: if multi { None } else { homogeneity(&train, &other) }, classes }
}

/// Chi-squared test that two rows of counts have the same distribution: `None` with fewer than two classes.
fn homogeneity(one: &[usize], other: &[usize]) -> Option<f64> {
    let totals = [one, other].map(|counts| counts.iter().sum::<usize>() as f64);
    let (mut statistic, mut present) = (0.0, 0_usize);
    for (&a, &b) in one.iter().zip(other) {
        let both = (a + b) as f64;
        if both == 0.0 {
            continue;
        }
        present += 1;
        for (count, total) in [(a, totals[0]), (b, totals[1])] {
            let expected = both * total / (totals[0] + totals[1]);
            statistic += (count as f64 - expected).powi(2) / expected;
        }
    }
    if present < 2 || totals.contains(&0.0) {
        return None;
    }
    chi_squared_tail(statistic, present - 1)
}

/// The probability that a chi-squared value with `degrees` degrees of freedom, at least 1, exceeds `statistic`.
fn chi_squared_tail(statistic: f64, degrees: usize) -> Option<f64> {
    ChiSquared::new(degrees as f64).ok().map(|distribution| distribution.sf(statistic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_are_those_of_scipy() {
        // scipy 1.17: scipy.stats.chi2.sf(x, k)
        for (x, k, expected) in [
            (3.841_458_820_694_124, 1, 0.05),
            (0.5, 4, 0.973_500_978_839_256_1),
            (30.0, 10, 0.000_856_641_210_775_301_2),
            (200.0, 7, 1.147_781_224_014_262e-39),
        ] {
            let found = chi_squared_tail(x, k).unwrap();
            assert!((found / expected - 1.0).abs() < 1e-9, "{x} {k}: {found} is not {expected}");
        }
        assert_eq!(chi_squared_tail(0.0, 3), Some(1.0));
    }

    #[test]
    fn equal_shares_do_not_differ() {
        assert_eq!(homogeneity(&[30, 60], &[10, 20]), Some(1.0));
        assert!(homogeneity(&[100, 0, 0], &[0, 0, 100]).unwrap() < 1e-40);
        assert_eq!(homogeneity(&[5], &[7]), None);
        assert_eq!(homogeneity(&[0, 0], &[3, 4]), None);
    }
}
