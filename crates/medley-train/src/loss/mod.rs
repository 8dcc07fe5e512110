//! Losses: how far logits are from labels.
//!
//! A [`Loss`] turns the logits of one task into one number per row; weights, smoothing and the reduction over tasks are
//! the same for all. To add one: a file here, a line in [`for_task`], and a call of [`conformance::check_loss`].

mod binary_cross_entropy;
pub mod conformance;
mod cross_entropy;

use medley_core::{Labels, TaskKind, TaskSpec};
use tch::{Device, TchError, Tensor};

pub use binary_cross_entropy::BinaryCrossEntropy;
pub use cross_entropy::CrossEntropy;

use crate::config::schema::LossConfig;

/// What a task minimises, and how its logits become probabilities.
pub trait Loss: Send {
    /// Targets `[n]` i64 or `[n, L]` f32 from label rows `rows` of the given split, on the CPU.
    ///
    /// # Errors
    /// What libtorch says.
    fn targets(&self, labels: &Labels, rows: &[usize]) -> Result<Tensor, TchError>;

    /// Loss of each row `[n]` f32, from logits `[n, C]` f32 and targets.
    ///
    /// # Errors
    /// What libtorch says.
    fn per_row(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError>;

    /// Probabilities `[n, C]` f32 from logits `[n, C]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    fn probabilities(&self, logits: &Tensor) -> Result<Tensor, TchError>;
}

/// The loss of a task: cross entropy over classes (ordinal and binary tasks too, as in the official benchmark), binary cross
/// entropy per label for multi-label tasks. Class weights are taken from the training labels.
pub fn for_task(task: &TaskSpec, training_labels: &Labels, config: &LossConfig, device: Device) -> Box<dyn Loss> {
    let counts = training_labels.class_counts(task.outputs());
    match task.kind {
        TaskKind::MultiLabel => Box::new(BinaryCrossEntropy::new(config.label_smoothing)),
        TaskKind::Binary | TaskKind::MultiClass | TaskKind::Ordinal => {
            let weights = class_weights(&counts, config.class_weight_power);
            Box::new(CrossEntropy::new(&weights, config.label_smoothing, device))
        }
    }
}

/// Weights proportional to `count^-power`, with mean 1 over the rows counted, so that the scale of the loss does not
/// depend on the power. A class without rows gets weight 1: it never occurs in training.
pub fn class_weights(counts: &[usize], power: f64) -> Vec<f64> {
    let raw: Vec<f64> =
        counts.iter().map(|&count| if count == 0 { 1.0 } else { (count as f64).powf(-power) }).collect();
    let rows: usize = counts.iter().sum();
    let total: f64 = raw.iter().zip(counts).map(|(weight, &count)| weight * count as f64).sum();
    if rows == 0 {
        return vec![1.0; counts.len()];
    }
    let scale = rows as f64 / total;
    raw.iter().zip(counts).map(|(weight, &count)| if count == 0 { 1.0 } else { weight * scale }).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn power_zero_weighs_rows_equally_and_one_weighs_classes_equally() {
        assert_eq!(class_weights(&[10, 90], 0.0), [1.0, 1.0]);
        let balanced = class_weights(&[10, 90], 1.0);
        assert!((balanced[0] * 10.0 - balanced[1] * 90.0).abs() < 1e-9);
        assert_eq!(class_weights(&[0, 4], 1.0), [1.0, 1.0]);
    }

    proptest! {
        #[test]
        fn weights_have_mean_one_over_rows(counts in prop::collection::vec(0_usize..10_000, 1..15), power in 0.0..2.0_f64) {
            let rows: usize = counts.iter().sum();
            prop_assume!(rows > 0);
            let weights = class_weights(&counts, power);
            let mean = weights.iter().zip(&counts).map(|(w, &c)| w * c as f64).sum::<f64>() / rows as f64;
            prop_assert!((mean - 1.0).abs() < 1e-9);
            prop_assert!(weights.iter().all(|weight| weight.is_finite() && *weight > 0.0));
        }
    }
}
