//! What a model says of an image.

use serde::Serialize;

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
