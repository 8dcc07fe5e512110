//! Robustness to corrupted images, as MedMNIST-C defines it.
//!
//! Di Salvo, Doerrich and Ledig, *MedMNIST-C: Comprehensive benchmark and improved classifier robustness by simulating realistic image
//! corruptions* (2024, arXiv 2406.17536), after `ImageNet-C`: with `BE(s, c)` the balanced error at severity `s` of corruption `c`,
//!
//! - the balanced error of a corruption is `sum_s BE(s, c) / sum_s BE_ref(s, c)`,
//! - the relative one is `sum_s (BE(s, c) - BE(clean)) / sum_s (BE_ref(s, c) - BE_ref(clean))`,
//!
//! and those of a task are the means over its corruptions. The paper's reference is an `AlexNet` at 224 pixels; here it is any run. A number
//! below 1 is better than the reference's.

use medley_core::record::{SEVERITIES, TaskRobustness};
use serde::Serialize;

/// Reference errors that differ less from those of clean images are none: a ratio to them would say nothing.
const LEAST: f64 = 1e-9;

/// One task beside a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Relative {
    /// Task name.
    pub task: String,
    /// Mean over the corruptions of their balanced errors over those of the reference; `None` where none is defined.
    pub balanced_error: Option<f64>,
    /// Mean over the corruptions of the relative ones, where they are defined; `None` where none is.
    pub relative_balanced_error: Option<f64>,
    /// Each corruption that both have.
    pub corruptions: Vec<RelativeCorruption>,
}

/// One corruption beside a reference.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RelativeCorruption {
    /// As MedMNIST-C calls it.
    pub name: String,
    /// Balanced error over that of the reference; `None` where the reference makes no error.
    pub balanced_error: Option<f64>,
    /// The errors that corruption adds over those that it adds to the reference; `None` where it adds none to the reference.
    pub relative_balanced_error: Option<f64>,
}

/// Balanced errors of a task over those of a reference on the same images. Corruptions that only one of them has are left out.
///
/// ```
/// use medley_core::record::{CorruptionErrors, TaskRobustness};
/// use medley_metrics::robustness::relative;
///
/// let task = |clean, balanced_error| TaskRobustness {
///     task: "dermamnist".into(),
///     sha256: String::new(),
///     rows: 100,
///     clean,
///     corruptions: vec![CorruptionErrors { name: "pixelate".into(), balanced_error: [balanced_error; 5] }],
/// };
/// let found = relative(&task(0.1, 0.2), &task(0.2, 0.4));
/// assert!((found.balanced_error.unwrap() - 0.5).abs() < 1e-12);
/// assert!((found.relative_balanced_error.unwrap() - 0.5).abs() < 1e-12);
/// ```
pub fn relative(task: &TaskRobustness, reference: &TaskRobustness) -> Relative {
    let mut corruptions = Vec::new();
    for corruption in &task.corruptions {
        let Some(of_reference) = reference.corruptions.iter().find(|other| other.name == corruption.name) else {
            continue;
        };
        let (found, expected) = (corruption.mean(), of_reference.mean());
        let over = |value: f64, by: f64| (by.abs() > LEAST).then(|| value / by);
        corruptions.push(RelativeCorruption {
            name: corruption.name.clone(),
            balanced_error: over(found, expected),
            relative_balanced_error: over(found - task.clean, expected - reference.clean),
        });
    }
    let mean = |of: fn(&RelativeCorruption) -> Option<f64>| {
        let values: Vec<f64> = corruptions.iter().filter_map(of).collect();
        (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
    };
    Relative {
        task: task.task.clone(),
        balanced_error: mean(|one| one.balanced_error),
        relative_balanced_error: mean(|one| one.relative_balanced_error),
        corruptions,
    }
}

/// Mean balanced error by severity over the corruptions of a task, from severity 1 on; `None` where it has none.
pub fn by_severity(task: &TaskRobustness) -> Option<[f64; SEVERITIES]> {
    if task.corruptions.is_empty() {
        return None;
    }
    let count = task.corruptions.len() as f64;
    Some(std::array::from_fn(|at| task.corruptions.iter().map(|one| one.balanced_error[at]).sum::<f64>() / count))
}

#[cfg(test)]
mod tests {
    use medley_core::record::CorruptionErrors;

    use super::*;

    fn task(clean: f64, errors: &[(&str, [f64; 5])]) -> TaskRobustness {
        let corruptions = errors
            .iter()
            .map(|&(name, balanced_error)| CorruptionErrors { name: name.into(), balanced_error })
            .collect();
        TaskRobustness { task: "t".into(), sha256: String::new(), rows: 10, clean, corruptions }
    }

    /// The arithmetic of the authors' evaluator: means over severities first, then ratios, then the mean over corruptions.
    #[test]
    fn it_is_as_the_authors_compute_it() {
        let own = task(0.1, &[("a", [0.1, 0.2, 0.3, 0.4, 0.5]), ("b", [0.2; 5]), ("only", [0.9; 5])]);
        let reference = task(0.2, &[("b", [0.4; 5]), ("a", [0.2, 0.3, 0.4, 0.5, 0.6])]);
        let found = relative(&own, &reference);
        assert_eq!(found.corruptions.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let near = |value: Option<f64>, expected: f64| assert!((value.unwrap() - expected).abs() < 1e-12, "{value:?}");
        near(found.corruptions[0].balanced_error, 0.3 / 0.4);
        near(found.corruptions[0].relative_balanced_error, 0.2 / 0.2);
        near(found.balanced_error, 0.625);
        near(found.relative_balanced_error, 0.75);
        let averages = by_severity(&own).unwrap();
        assert!((averages[4] - (0.5 + 0.2 + 0.9) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_ratio_to_nothing_is_not_defined() {
        let found = relative(&task(0.0, &[("a", [0.1; 5])]), &task(0.2, &[("a", [0.2; 5])]));
        assert_eq!((found.relative_balanced_error, found.balanced_error.is_some()), (None, true));
        let found = relative(&task(0.0, &[]), &task(0.0, &[("a", [0.2; 5])]));
        assert_eq!((found.balanced_error, found.corruptions.len()), (None, 0));
        assert_eq!(by_severity(&task(0.0, &[])), None);
    }
}
