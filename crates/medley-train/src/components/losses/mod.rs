//! Losses: how far logits are from labels.
//!
//! A [`Loss`] gives each row one number; what all have in common (labels as tensors, smoothing, weights of classes, the step
//! from logits to probabilities) is done here, by [`TaskLoss`]. To add one: a file here with its keys, and a line in the
//! registry.

mod asymmetric;
pub mod conformance;
mod cross_entropy;
mod focal;
mod logit_adjusted;
mod soft_ordinal;
mod squared_emd;
mod table;

use medley_core::{Labels, TaskKind, TaskSpec};
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::{Component, registry};

pub use asymmetric::Asymmetric;
pub use cross_entropy::CrossEntropy;
pub use focal::Focal;
pub use logit_adjusted::LogitAdjusted;
pub use soft_ordinal::SoftOrdinal;
pub use squared_emd::SquaredEmd;
pub use table::{LossTable, TaskReduction};

/// `[loss]`, or `[loss.tasks.NAME]`.
pub type LossConfig = Component<LossChoice, LossKeys>;

/// What is minimised, in its two forms. Both are finite for any finite logits, and so are their gradients.
pub trait Loss {
    /// Of tasks with one class per row: `[n]` f32 from logits `[n, C]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError>;

    /// Of tasks with many labels per row: one number per label, `[n, L]` f32, from logits `[n, L]` f32 and targets `[n, L]` f32 in
    /// `[0, 1]`, already smoothed. Binary cross entropy, if a loss has no form of its own for labels.
    ///
    /// # Errors
    /// What libtorch says.
    fn of_labels(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError> {
        logits.f_binary_cross_entropy_with_logits::<Tensor>(targets, None, None, Reduction::None)
    }
}

/// What the rows of a task with one class per row are.
#[derive(Debug)]
pub struct ClassTargets<'a> {
    /// The class of each row, `[n]` i64.
    pub classes: &'a Tensor,
    /// The weight of each class, `[C]` f32.
    pub weights: &'a Tensor,
    /// The share of each class in the training rows, `[C]` f32; that of a class without rows is half a row's.
    pub shares: &'a Tensor,
    /// Share of the target that is spread evenly over all classes.
    pub label_smoothing: f64,
}

impl ClassTargets<'_> {
    /// The share of each class in the target of each row, times the weight of the class: `[n, C]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn weighted(&self) -> Result<Tensor, TchError> {
        self.smoothed()?.f_mul(self.weights)
    }

    /// The share of each class in the target of each row, `[n, C]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn smoothed(&self) -> Result<Tensor, TchError> {
        self.spread(&self.classes.f_one_hot(self.weights.numel() as i64)?.f_to_kind(Kind::Float)?)
    }

    /// Shares `[n, C]` f32 of another kind, smoothed as those of this target.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn spread(&self, shares: &Tensor) -> Result<Tensor, TchError> {
        let even = self.label_smoothing / self.weights.numel() as f64;
        shares.f_mul_scalar(1.0 - self.label_smoothing)?.f_add_scalar(even)
    }

    /// The weight of the class of each row, `[n]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn row_weights(&self) -> Result<Tensor, TchError> {
        self.weights.f_index_select(0, self.classes)
    }
}

registry! {
    /// The losses.
    LossChoice: dyn Loss = "loss" {
        CrossEntropy(CrossEntropy) = "cross_entropy",
        Focal(Focal) = "focal",
        LogitAdjusted(LogitAdjusted) = "logit_adjusted",
        SoftOrdinal(SoftOrdinal) = "soft_ordinal",
        SquaredEmd(SquaredEmd) = "squared_emd",
        Asymmetric(Asymmetric) = "asymmetric",
    }
}

medley_core::keys! {
    /// What is minimised. `[loss.tasks.NAME]` may have the same keys but `task_reduction` for one task; what it leaves out is as
    /// in `[loss]`.
    pub struct LossKeys {
        /// Share of the target that is spread evenly over the classes.
        label_smoothing: f64 = 0.05, in 0.0..=0.999;
        /// Classes weigh `count^-power`, scaled to a mean of 1 over the training rows: 0 weighs all rows equally, 1 all classes. Not for
        /// multi-label tasks.
        class_weight_power: f64 = 0.5, in 0.0..=2.0;
    }
}

/// What one task minimises, and how its logits become probabilities.
#[derive(Debug)]
pub struct TaskLoss {
    loss: LossChoice,
    label_smoothing: f64,
    /// `None` for multi-label tasks.
    classes: Option<Classes>,
}

/// What the training rows tell of the classes.
#[derive(Debug)]
struct Classes {
    /// `[C]` f32.
    weights: Tensor,
    /// `[C]` f32.
    shares: Tensor,
}

impl TaskLoss {
    /// The loss of a task: over classes (ordinal and binary tasks too, as in the official benchmark), or per label for multi-label
    /// tasks. Class weights are taken from the training labels.
    pub fn new(config: &LossConfig, task: &TaskSpec, training_labels: &Labels, device: Device) -> Self {
        let classes = match task.kind {
            TaskKind::MultiLabel => None,
            TaskKind::Binary | TaskKind::MultiClass | TaskKind::Ordinal => {
                let counts = training_labels.class_counts(task.outputs());
                let tensor = |values: &[f64]| Tensor::from_slice(values).to_kind(Kind::Float).to_device(device);
                let weights = tensor(&class_weights(&counts, config.class_weight_power));
                Some(Classes { weights, shares: tensor(&class_shares(&counts)) })
            }
        };
        Self { loss: config.choice.clone(), label_smoothing: config.label_smoothing, classes }
    }

    /// Targets `[n]` i64 or `[n, L]` f32 from label rows `rows` of the given split, on the CPU.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn targets(&self, labels: &Labels, rows: &[usize]) -> Result<Tensor, TchError> {
        if self.classes.is_some() {
            let classes: Vec<i64> = rows.iter().map(|&row| i64::from(labels.row(row)[0])).collect();
            return Tensor::f_from_slice(&classes);
        }
        let mut values = Vec::with_capacity(rows.len() * labels.width());
        for &row in rows {
            values.extend(labels.row(row).iter().map(|&label| f32::from(label)));
        }
        Tensor::f_from_slice(&values)?.f_view([rows.len() as i64, labels.width() as i64])
    }

    /// Loss of each row `[n]` f32, from logits `[n, C]` f32 and targets; the mean over its labels for multi-label tasks.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn per_row(&self, logits: &Tensor, targets: &Tensor) -> Result<Tensor, TchError> {
        let smoothing = self.label_smoothing;
        if let Some(Classes { weights, shares }) = &self.classes {
            let targets = ClassTargets { classes: targets, weights, shares, label_smoothing: smoothing };
            return self.loss.of_classes(logits, &targets);
        }
        // Of two answers, each gets half of what is spread.
        let smoothed = targets.f_mul_scalar(1.0 - smoothing)?.f_add_scalar(smoothing / 2.0)?;
        self.loss.of_labels(logits, &smoothed)?.f_mean_dim(-1, false, Kind::Float)
    }

    /// Probabilities `[n, C]` f32 from logits `[n, C]` f32: softmax over classes, or sigmoid per label.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn probabilities(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        if self.classes.is_some() { logits.f_softmax(-1, Kind::Float) } else { logits.f_sigmoid() }
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

/// The share of each class in the rows; a class without rows counts as half a row, so that its logarithm is finite.
pub fn class_shares(counts: &[usize]) -> Vec<f64> {
    let rows = counts.iter().sum::<usize>().max(1) as f64;
    counts.iter().map(|&count| (count as f64).max(0.5) / rows).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Choice as _;
    use super::*;

    #[test]
    fn every_loss_conforms() {
        for name in LossChoice::NAMES {
            conformance::check_loss(&LossChoice::read(name, toml::Table::new()).unwrap());
        }
    }

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
