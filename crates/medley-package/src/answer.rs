//! What a model says of an image.

use medley_core::{Scores, TaskKind};
use serde::Serialize;

use crate::{ClassifierError, Model};

/// What a model says of one image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Calibrated probabilities, one for each class in the order of the model's task, 0 to 1; they sum to 1 but for multi-label tasks.
    pub probabilities: Vec<f32>,
    /// Index of the class by the recorded rule, which need not be the one with the largest probability. Of a multi-label task, those of
    /// all labels that are set: none, one or several, ascending.
    pub labels: Vec<u16>,
    /// Entropy of the probabilities in nats: 0 where the model is certain, `ln(C)` where all `C` classes are equally probable. Of a
    /// multi-label task, the mean over its labels, at most `ln(2)`.
    pub entropy: f32,
    /// How unlike the training images it is; `None` where the model has no threshold.
    pub unlike: Option<Unlike>,
}

/// How unlike the training images an image is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Unlike {
    /// Higher is less alike; comparable for one model only.
    pub score: f32,
    /// Whether the score is above the model's threshold: the answer means little then.
    pub warning: bool,
}

impl Answer {
    /// The `k` most probable classes, the most probable first; of equals, the first.
    pub fn top(&self, k: usize) -> Vec<(u16, f32)> {
        let mut ranked: Vec<(u16, f32)> = (0..).zip(self.probabilities.iter().copied()).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked.truncate(k);
        ranked
    }
}

impl Model {
    /// Answers, of what a network computes: probabilities `[N, C]` f32 before any temperature, and how unlike each image is `[N]`
    /// (see [`UnlikeScore`](crate::UnlikeScore)); none, where nobody needs them.
    ///
    /// # Errors
    /// [`ClassifierError::Answer`] where they are not finite, or not one for each class.
    pub fn answers(&self, probabilities: &[f32], unlike: &[f32]) -> Result<Vec<Answer>, ClassifierError> {
        let (kind, width) = (self.task.kind, self.task.outputs());
        let rows = probabilities.len() / width;
        if let Some(at) = probabilities.iter().position(|value| !value.is_finite()) {
            let (image, problem) = (at / width, format!("probability {}", probabilities[at]));
            return Err(ClassifierError::Answer { image, problem });
        }
        let bad = |error: String| ClassifierError::Answer { image: rows, problem: error };
        let values = probabilities.iter().map(|&value| f64::from(value)).collect();
        let scores = Scores::new(values, rows, width).map_err(|error| bad(error.to_string()))?;
        let decided = self.decision.apply(&scores).map_err(|error| bad(error.to_string()))?;
        let shown = self.decision.calibrate(&scores).map_err(|error| bad(error.to_string()))?;
        let answer = |row: usize| {
            let probabilities: Vec<f32> = shown.row(row).iter().map(|&value| value as f32).collect();
            Answer {
                entropy: entropy(kind, &probabilities),
                labels: self.labels(&decided, row),
                unlike: unlike.get(row).and_then(|&score| self.unlike_at(score)),
                probabilities,
            }
        };
        Ok((0..rows).map(answer).collect())
    }

    fn labels(&self, decided: &[u16], row: usize) -> Vec<u16> {
        let width = self.task.label_width();
        let of_row = &decided[row * width..(row + 1) * width];
        if self.task.kind != TaskKind::MultiLabel {
            return of_row.to_vec();
        }
        (0..).zip(of_row).filter(|(_, set)| **set == 1).map(|(label, _)| label).collect()
    }

    fn unlike_at(&self, score: f32) -> Option<Unlike> {
        let threshold = self.unlike.as_ref()?.threshold;
        Some(Unlike { score, warning: f64::from(score) > threshold })
    }
}

/// In nats; the mean over labels that may be set together.
fn entropy(kind: TaskKind, probabilities: &[f32]) -> f32 {
    let of = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
    let values = probabilities.iter().map(|&p| f64::from(p).clamp(0.0, 1.0));
    let entropy: f64 = if kind == TaskKind::MultiLabel {
        values.map(|p| of(p) + of(1.0 - p)).sum::<f64>() / probabilities.len().max(1) as f64
    } else {
        values.map(of).sum()
    };
    entropy as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Package;

    fn model() -> Model {
        Package::example().models()[0].clone()
    }

    #[test]
    fn an_answer_is_made_of_probabilities() {
        let answers = model().answers(&[0.25, 0.75, 1.0, 0.0], &[-3.0, 5.0]).unwrap();
        assert_eq!((answers[0].labels.as_slice(), answers[1].labels.as_slice()), ([1_u16].as_slice(), [0].as_slice()));
        // The example has a temperature of 2: odds of 3 become odds of sqrt(3).
        let odds = answers[0].probabilities[1] / answers[0].probabilities[0];
        assert!((odds - 3.0_f32.sqrt()).abs() < 1e-5);
        assert!(answers[1].entropy < 1e-5);
        assert!(!answers[0].unlike.unwrap().warning && answers[1].unlike.unwrap().warning);
        assert_eq!(answers[0].top(1)[0].0, 1);
    }

    #[test]
    fn what_is_not_finite_is_named() {
        let error = model().answers(&[0.5, 0.5, f32::NAN, 0.5], &[]).unwrap_err();
        assert!(matches!(error, ClassifierError::Answer { image: 1, .. }), "{error}");
    }

    #[test]
    fn entropy_is_greatest_where_nothing_is_known() {
        assert!((entropy(TaskKind::MultiClass, &[0.25; 4]) - 4.0_f32.ln()).abs() < 1e-6);
        assert!((entropy(TaskKind::MultiLabel, &[0.5, 0.5]) - 2.0_f32.ln()).abs() < 1e-6);
    }
}
