//! Everything about one task on one split.

use medley_core::record::{ClassResult, TaskResult};
use medley_core::{Labels, Scores, Split, TaskKind, TaskSpec};

use crate::confusion::{Confusion, class_result, macro_f1};
use crate::{MetricError, auc};

/// Scores predictions against truth.
///
/// AUC and ACC are those of the official MedMNIST evaluator: for binary tasks the last column, positive if strictly above 0.5;
/// for multi-class and ordinal tasks the unweighted mean of the one-vs-rest AUCs, and the largest column (the first of equals);
/// for multi-label tasks means over labels, each positive if strictly above 0.5. Macro-F1 is scikit-learn's; of a
/// multi-label task it is the mean over all labels of the F1 of the positive class.
///
/// The AUC is `None` when a class has no example or nothing else has: scikit-learn raises there.
///
/// # Errors
/// When rows, columns or labels do not fit the task.
pub fn evaluate(spec: &TaskSpec, split: Split, labels: &Labels, scores: &Scores) -> Result<TaskResult, MetricError> {
    check(spec, labels, scores)?;
    let predicted = decide(spec.kind, scores);
    let (per_class, confusion, accuracy): TaskCounts = if spec.kind == TaskKind::MultiLabel {
        multi_label(spec, labels, &predicted)
    } else {
        let confusion = Confusion::new(labels.values(), &predicted, spec.outputs());
        let hits = labels.values().iter().zip(&predicted).filter(|(truth, guess)| truth == guess).count();
        (confusion.per_class(&spec.classes), confusion.to_rows(), hits as f64 / labels.rows() as f64)
    };
    Ok(TaskResult {
        task: spec.name.clone(),
        split,
        rows: labels.rows(),
        auc: official_auc(spec, labels, scores),
        accuracy,
        macro_f1: if spec.kind == TaskKind::MultiLabel { mean_f1(&per_class) } else { macro_f1(&per_class) },
        per_class,
        confusion,
    })
}

/// The decisions of the official evaluator: class indices `[N]`, or 0/1 `[N * L]` for multi-label tasks.
pub fn decide(kind: TaskKind, scores: &Scores) -> Vec<u16> {
    match kind {
        TaskKind::Binary => {
            let last = scores.columns() - 1;
            scores.view().column(last).iter().map(|&score| u16::from(score > 0.5)).collect()
        }
        TaskKind::MultiClass | TaskKind::Ordinal => scores.argmax(),
        TaskKind::MultiLabel => scores.view().iter().map(|&score| u16::from(score > 0.5)).collect(),
    }
}

pub(crate) fn check(spec: &TaskSpec, labels: &Labels, scores: &Scores) -> Result<(), MetricError> {
    let task = || spec.name.clone();
    if labels.rows() != scores.rows() {
        return Err(MetricError::Rows { task: task(), labels: labels.rows(), scores: scores.rows() });
    }
    if labels.rows() == 0 {
        return Err(MetricError::NoRows { task: task() });
    }
    // The official evaluator also takes one column for a binary task: that of the positive class.
    let one_column = spec.kind == TaskKind::Binary && scores.columns() == 1;
    if scores.columns() != spec.outputs() && !one_column {
        return Err(MetricError::Columns { task: task(), actual: scores.columns(), expected: spec.outputs() });
    }
    Ok(spec.check_labels(labels)?)
}

fn official_auc(spec: &TaskSpec, labels: &Labels, scores: &Scores) -> Option<f64> {
    let column = |index: usize| scores.view().column(index).to_vec();
    match spec.kind {
        TaskKind::Binary => {
            let truth: Vec<bool> = labels.values().iter().map(|&label| label == 1).collect();
            auc(&truth, &column(scores.columns() - 1))
        }
        TaskKind::MultiClass | TaskKind::Ordinal | TaskKind::MultiLabel => {
            let mut sum = 0.0;
            for class in 0..spec.outputs() {
                let truth: Vec<bool> = if spec.kind == TaskKind::MultiLabel {
                    (0..labels.rows()).map(|row| labels.row(row)[class] == 1).collect()
                } else {
                    labels.values().iter().map(|&label| usize::from(label) == class).collect()
                };
                sum += auc(&truth, &column(class))?;
            }
            Some(sum / spec.outputs() as f64)
        }
    }
}

/// Every label of a multi-label task counts, also one that is neither true nor predicted: as scikit-learn does there.
fn mean_f1(per_label: &[ClassResult]) -> f64 {
    per_label.iter().map(|label| label.f1).sum::<f64>() / per_label.len().max(1) as f64
}

type TaskCounts = (Vec<ClassResult>, Vec<Vec<u64>>, f64);

fn multi_label(spec: &TaskSpec, labels: &Labels, predicted: &[u16]) -> TaskCounts {
    let width = spec.outputs();
    let mut agreements = 0;
    let per_label = (0..width)
        .map(|label| {
            let (mut hits, mut support, mut positive) = (0, 0, 0);
            for row in 0..labels.rows() {
                let (truth, guess) = (labels.row(row)[label] == 1, predicted[row * width + label] == 1);
                hits += u64::from(truth && guess);
                support += u64::from(truth);
                positive += u64::from(guess);
                agreements += usize::from(truth == guess);
            }
            class_result(&spec.classes[label], hits, support, positive)
        })
        .collect();
    (per_label, Vec::new(), agreements as f64 / (labels.rows() * width) as f64)
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Modality, Origin};

    use super::*;

    fn spec(kind: TaskKind, classes: usize) -> TaskSpec {
        TaskSpec {
            name: "t".into(),
            title: "T".into(),
            kind,
            modality: Modality::Other,
            classes: (0..classes).map(|class| class.to_string()).collect(),
            shape: ImageShape::flat(28, 28, 1),
            origin: Origin::User,
        }
    }

    #[test]
    fn binary_is_strictly_above_one_half() {
        let scores = Scores::new(vec![0.5, 0.5, 0.2, 0.8, 0.9, 0.1], 3, 2).unwrap();
        let labels = Labels::single(vec![0, 1, 0]).unwrap();
        let result = evaluate(&spec(TaskKind::Binary, 2), Split::Test, &labels, &scores).unwrap();
        assert_eq!((result.accuracy, result.auc, result.macro_f1), (1.0, Some(1.0), 1.0));
        assert_eq!(result.confusion, [[2, 0], [0, 1]]);
        let column = Scores::new(vec![0.5, 0.8, 0.1], 3, 1).unwrap();
        assert_eq!(evaluate(&spec(TaskKind::Binary, 2), Split::Test, &labels, &column).unwrap().auc, Some(1.0));
    }

    #[test]
    fn an_absent_class_leaves_the_auc_undefined() {
        let scores = Scores::new(vec![0.6, 0.3, 0.1, 0.1, 0.8, 0.1], 2, 3).unwrap();
        let labels = Labels::single(vec![0, 1]).unwrap();
        let result = evaluate(&spec(TaskKind::MultiClass, 3), Split::Val, &labels, &scores).unwrap();
        assert_eq!((result.auc, result.accuracy, result.macro_f1), (None, 1.0, 1.0));
    }

    #[test]
    fn labels_count_one_by_one() {
        let scores = Scores::new(vec![0.9, 0.1, 0.2, 0.6], 2, 2).unwrap();
        let labels = Labels::multi(vec![1, 0, 0, 0], 2, 2).unwrap();
        let result = evaluate(&spec(TaskKind::MultiLabel, 2), Split::Test, &labels, &scores).unwrap();
        assert_eq!((result.accuracy, result.auc), (0.75, None));
        assert_eq!(result.macro_f1, 0.5);
        assert!(result.confusion.is_empty());
        // A label that is neither true nor predicted: f1_score of scikit-learn counts 0 here, and leaves such a class out above.
        let none = Scores::new(vec![0.9, 0.1, 0.2, 0.3], 2, 2).unwrap();
        assert_eq!(evaluate(&spec(TaskKind::MultiLabel, 2), Split::Test, &labels, &none).unwrap().macro_f1, 0.5);
    }

    #[test]
    fn misfits_are_named() {
        let scores = Scores::new(vec![0.5; 4], 2, 2).unwrap();
        let three = Labels::single(vec![0; 3]).unwrap();
        let error = evaluate(&spec(TaskKind::Binary, 2), Split::Test, &three, &scores).unwrap_err();
        assert_eq!(error.to_string(), "task `t`: 3 labels but 2 rows of scores");
        let two = Labels::single(vec![0; 2]).unwrap();
        assert!(evaluate(&spec(TaskKind::MultiClass, 3), Split::Test, &two, &scores).is_err());
        let wrong = Labels::single(vec![0, 5]).unwrap();
        assert!(evaluate(&spec(TaskKind::Binary, 2), Split::Test, &wrong, &scores).is_err());
    }
}
