//! Losses: how far logits are from labels.
//!
//! A [`Loss`] gives each row one number; what all have in common (labels as tensors, smoothing, weights of classes, the step
//! from logits to probabilities) is done here, by [`TaskLoss`]. To add one: a file here with its keys, and a line in the
//! registry.

mod asymmetric;
pub mod conformance;
mod coral;
mod corn;
mod cross_entropy;
mod focal;
mod ldam;
mod logit_adjusted;
mod quadratic_kappa;
mod soft_ordinal;
mod squared_emd;
mod table;

use std::collections::BTreeMap;

use medley_core::{Labels, TaskKind, TaskSpec};
use tch::{Device, Kind, Reduction, TchError, Tensor};

use super::{Component, registry};

pub use asymmetric::Asymmetric;
pub use coral::Coral;
pub use corn::Corn;
pub use cross_entropy::CrossEntropy;
pub use focal::Focal;
pub use ldam::Ldam;
pub use logit_adjusted::LogitAdjusted;
pub use quadratic_kappa::QuadraticKappa;
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

    /// Of tasks with many labels per row: one number per label, `[n, L]` f32, from logits `[n, L]` f32. Binary cross entropy as
    /// `torch.nn.BCEWithLogitsLoss`, if a loss has no form of its own for labels.
    ///
    /// # Errors
    /// What libtorch says.
    fn of_labels(&self, logits: &Tensor, targets: &LabelTargets<'_>) -> Result<Tensor, TchError> {
        let none = None::<&Tensor>;
        logits.f_binary_cross_entropy_with_logits(targets.values, none, targets.positive_weights, Reduction::None)
    }

    /// What the probabilities of classes are the softmax of, `[n, C]` f32 from logits `[n, C]` f32: the logits themselves, unless the
    /// loss reads them otherwise.
    ///
    /// # Errors
    /// What libtorch says.
    fn class_logits(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        Ok(logits.shallow_clone())
    }

    /// How probabilities of classes follow from the outputs of the network, for users of exported weights; `None` where that is softmax.
    fn reads_logits(&self) -> Option<&'static str> {
        None
    }

    /// Whether it may be below zero.
    fn may_be_negative(&self) -> bool {
        false
    }
}

/// What the rows of a task with many labels per row are.
#[derive(Debug)]
pub struct LabelTargets<'a> {
    /// `[n, L]` f32 in `[0, 1]`, already smoothed.
    pub values: &'a Tensor,
    /// What the part of the loss is multiplied by that is of a label being present, `[L]` f32; `None` for 1.
    pub positive_weights: Option<&'a Tensor>,
}

impl LabelTargets<'_> {
    /// How much a label counts as present, `[n, L]` f32: its target, times its weight.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn presence(&self) -> Result<Tensor, TchError> {
        match self.positive_weights {
            Some(weights) => self.values.f_mul(weights),
            None => Ok(self.values.shallow_clone()),
        }
    }

    /// How much it counts as absent, `[n, L]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn absence(&self) -> Result<Tensor, TchError> {
        self.values.f_neg()?.f_add_scalar(1.0)
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
        Ldam(Ldam) = "ldam",
        SoftOrdinal(SoftOrdinal) = "soft_ordinal",
        SquaredEmd(SquaredEmd) = "squared_emd",
        Coral(Coral) = "coral",
        Corn(Corn) = "corn",
        QuadraticKappa(QuadraticKappa) = "quadratic_kappa",
        Asymmetric(Asymmetric) = "asymmetric",
    }
}

medley_core::keys! {
    /// What is minimised. `[loss.tasks.NAME]` may have the same keys but `task_reduction` for one task; what it leaves out is as
    /// in `[loss]`.
    pub struct LossKeys {
        /// Share of the target that is spread evenly over the classes.
        label_smoothing: f64 = 0.05, in 0.0..=0.999;
        /// Classes weigh `count^-power`, scaled to a mean of 1 over the training rows: 0 weighs all rows equally, 1 all classes. For
        /// multi-label tasks see `positive_weight_power`.
        class_weight_power: f64 = 0.5, in 0.0..=2.0;
        /// In place of that, classes weigh `(1 - beta) / (1 - beta^count)`, one over the effective number of their rows (Cui et al.,
        /// *Class-Balanced Loss Based on Effective Number of Samples*, 2019); 0.999 is usual.
        class_weight_beta: Option<f64> = None, in 0.0..=0.999_999_9;
        /// What the weights of classes or labels are multiplied by beside that, by the name of the class or label or by its number, such
        /// as `{ melanoma = 3 }`. The weights of classes are scaled to a mean of 1 afterwards.
        class_weights: BTreeMap<String, f64> = BTreeMap::new(), in 1e-6..=1e6;
        /// Labels of multi-label tasks that are present weigh `(absent / present)^power` of the training rows: 0 weighs them as absent ones,
        /// 1 as if both were equally frequent.
        positive_weight_power: f64 = 0.0, in 0.0..=1.0;
    }
}

impl LossKeys {
    /// What the user multiplies the weight of a class by.
    fn own_weight(&self, class: usize, name: &str) -> f64 {
        let own = self.class_weights.get(name).or_else(|| self.class_weights.get(&class.to_string()));
        own.copied().unwrap_or(1.0)
    }

    /// The names in `class_weights` that are no classes.
    pub(crate) fn unknown_classes(&self, classes: &[String]) -> Vec<&String> {
        let is_known = |name: &str| {
            classes.iter().any(|class| class == name) || name.parse::<usize>().is_ok_and(|class| class < classes.len())
        };
        self.class_weights.keys().filter(|name| !is_known(name)).collect()
    }

    /// Weights of classes with these counts.
    fn weights_of_classes(&self, counts: &[usize], names: &[String]) -> Vec<f64> {
        let by_count = |count: usize| match self.class_weight_beta {
            _ if count == 0 => 1.0,
            Some(beta) => (1.0 - beta) / (1.0 - beta.powf(count as f64)),
            None => (count as f64).powf(-self.class_weight_power),
        };
        let own = |class| names.get(class).map_or(1.0, |name| self.own_weight(class, name));
        let raw = counts.iter().enumerate().map(|(class, &count)| by_count(count) * own(class)).collect();
        mean_of_one(raw, counts)
    }

    /// Weights of labels that are present; `None` where all are 1.
    fn weights_of_labels(&self, labels: &Labels, names: &[String]) -> Option<Vec<f64>> {
        let rows = labels.rows();
        let mut present = vec![0_usize; labels.width()];
        for row in 0..rows {
            labels.row(row).iter().zip(&mut present).for_each(|(&label, count)| *count += usize::from(label > 0));
        }
        let weight = |(label, &count): (usize, &usize)| {
            // Of a label that is always or never there, the weight has nothing to balance.
            let ratio = if count == 0 || count == rows { 1.0 } else { (rows - count) as f64 / count as f64 };
            let own = names.get(label).map_or(1.0, |name| self.own_weight(label, name));
            ratio.powf(self.positive_weight_power) * own
        };
        let weights: Vec<f64> = present.iter().enumerate().map(weight).collect();
        weights.iter().any(|&weight| weight != 1.0).then_some(weights)
    }
}

/// What one task minimises, and how its logits become probabilities.
#[derive(Debug)]
pub struct TaskLoss {
    loss: LossChoice,
    label_smoothing: f64,
    /// `None` for multi-label tasks.
    classes: Option<Classes>,
    /// Of multi-label tasks, `[L]` f32; `None` where all are 1.
    positive_weights: Option<Tensor>,
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
        let tensor = |values: &[f64]| Tensor::from_slice(values).to_kind(Kind::Float).to_device(device);
        let (classes, positive_weights) = match task.kind {
            TaskKind::MultiLabel => {
                let weights = config.weights_of_labels(training_labels, &task.classes);
                (None, weights.as_deref().map(tensor))
            }
            TaskKind::Binary | TaskKind::MultiClass | TaskKind::Ordinal => {
                let counts = training_labels.class_counts(task.outputs());
                let weights = tensor(&config.weights_of_classes(&counts, &task.classes));
                (Some(Classes { weights, shares: tensor(&class_shares(&counts)) }), None)
            }
        };
        Self { loss: config.choice.clone(), label_smoothing: config.label_smoothing, classes, positive_weights }
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
        let targets = LabelTargets { values: &smoothed, positive_weights: self.positive_weights.as_ref() };
        self.loss.of_labels(logits, &targets)?.f_mean_dim(-1, false, Kind::Float)
    }

    /// Probabilities `[n, C]` f32 from logits `[n, C]` f32: softmax over classes, unless the loss reads logits otherwise, or sigmoid per
    /// label.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn probabilities(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        probabilities_by(&self.loss, self.classes.is_some(), logits)
    }

    /// How far the probabilities of each row are from those of a teacher, both at a temperature: the Kullback-Leibler divergence times
    /// its square, `[n]` f32 (Hinton et al., *Distilling the Knowledge in a Neural Network*, 2015); for multi-label tasks, the mean over
    /// labels. From logits `[n, C]` f32 and the teacher's probabilities `[n, C]` f32.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn distance(&self, logits: &Tensor, teacher: &Tensor, temperature: f64) -> Result<Tensor, TchError> {
        let scale = temperature * temperature;
        if self.classes.is_some() {
            let cooled = |logits: &Tensor| logits.f_div_scalar(temperature)?.f_log_softmax(-1, Kind::Float);
            let theirs = cooled(&teacher.f_clamp_min(LEAST_PROBABILITY)?.f_log()?)?;
            let ours = cooled(&self.loss.class_logits(logits)?)?;
            let each = theirs.f_exp()?.f_mul(&theirs.f_sub(&ours)?)?;
            return each.f_sum_dim_intlist(-1, false, Kind::Float)?.f_mul_scalar(scale);
        }
        let theirs = teacher.f_logit(LEAST_PROBABILITY)?.f_div_scalar(temperature)?;
        let ours = logits.f_div_scalar(temperature)?;
        let none = None::<&Tensor>;
        let target = theirs.f_sigmoid()?;
        let entropy = |odds: &Tensor| odds.f_binary_cross_entropy_with_logits(&target, none, none, Reduction::None);
        entropy(&ours)?.f_sub(&entropy(&theirs)?)?.f_mean_dim(-1, false, Kind::Float)?.f_mul_scalar(scale)
    }
}

/// Least probability of a teacher whose logarithm is taken.
const LEAST_PROBABILITY: f64 = 1e-7;

/// Probabilities `[n, C]` f32 from logits `[n, C]` f32, as a network that was trained with this loss means them.
pub(crate) fn probabilities_by(loss: &LossChoice, of_classes: bool, logits: &Tensor) -> Result<Tensor, TchError> {
    if of_classes { probabilities(true, &loss.class_logits(logits)?) } else { probabilities(false, logits) }
}

/// Probabilities `[n, C]` f32 from logits `[n, C]` f32 of a loss that does not read them otherwise ([`Loss::reads_logits`]): softmax over
/// `exclusive` classes, or sigmoid per label.
///
/// # Errors
/// What libtorch says.
pub fn probabilities(exclusive: bool, logits: &Tensor) -> Result<Tensor, TchError> {
    if exclusive { logits.f_softmax(-1, Kind::Float) } else { logits.f_sigmoid() }
}

/// Weights scaled to a mean of 1 over the rows counted, so that the scale of the loss does not depend on them. A class without
/// rows gets weight 1: it never occurs in training.
fn mean_of_one(weights: Vec<f64>, counts: &[usize]) -> Vec<f64> {
    let rows: usize = counts.iter().sum();
    let total: f64 = weights.iter().zip(counts).map(|(weight, &count)| weight * count as f64).sum();
    if rows == 0 {
        return vec![1.0; counts.len()];
    }
    let scale = rows as f64 / total;
    weights.iter().zip(counts).map(|(weight, &count)| if count == 0 { 1.0 } else { weight * scale }).collect()
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

    fn keys(text: &str) -> LossKeys {
        toml::from_str(text).unwrap()
    }

    fn class_weights(counts: &[usize], power: f64) -> Vec<f64> {
        keys(&format!("class_weight_power = {power:?}")).weights_of_classes(counts, &[])
    }

    #[test]
    fn power_zero_weighs_rows_equally_and_one_weighs_classes_equally() {
        assert_eq!(class_weights(&[10, 90], 0.0), [1.0, 1.0]);
        let balanced = class_weights(&[10, 90], 1.0);
        assert!((balanced[0] * 10.0 - balanced[1] * 90.0).abs() < 1e-9);
        assert_eq!(class_weights(&[0, 4], 1.0), [1.0, 1.0]);
    }

    #[test]
    fn effective_numbers_are_those_of_the_paper() {
        let ratio = |beta: f64| {
            let weights = keys(&format!("class_weight_beta = {beta:?}")).weights_of_classes(&[10, 1000], &[]);
            weights[0] / weights[1]
        };
        let effective = |beta: f64, count: f64| (1.0 - beta.powf(count)) / (1.0 - beta);
        for beta in [0.9, 0.99, 0.999] {
            assert!((ratio(beta) - effective(beta, 1000.0) / effective(beta, 10.0)).abs() < 1e-9);
        }
        assert_eq!(ratio(0.0), 1.0);
    }

    #[test]
    fn weights_of_ones_own_go_by_name_or_number() {
        let names = ["nevus", "melanoma", "1"].map(str::to_owned);
        let keys = keys("class_weight_power = 0.0\n[class_weights]\nmelanoma = 3.0\n2 = 5.0");
        let weights = keys.weights_of_classes(&[10, 10, 0], &names);
        assert!((weights[1] / weights[0] - 3.0).abs() < 1e-12 && (weights[0] + weights[1] - 2.0).abs() < 1e-12);
        assert_eq!((weights[2], keys.own_weight(2, "1")), (1.0, 5.0));
        assert!(keys.unknown_classes(&names).is_empty());
        assert_eq!(keys.unknown_classes(&names[..2]), ["2"]);
    }

    #[test]
    fn labels_that_are_seldom_present_can_weigh_more() {
        let labels = Labels::multi(vec![1, 0, 0, 0, 0, 0, 1, 0], 4, 2).unwrap();
        let names = ["a", "b"].map(str::to_owned);
        assert_eq!(keys("").weights_of_labels(&labels, &names), None);
        assert_eq!(keys("positive_weight_power = 1.0").weights_of_labels(&labels, &names), None);
        let labels = Labels::multi(vec![1, 0, 0, 0, 0, 0, 0, 0], 4, 2).unwrap();
        assert_eq!(keys("positive_weight_power = 1.0").weights_of_labels(&labels, &names), Some(vec![3.0, 1.0]));
        assert_eq!(keys("class_weights = { b = 4.0 }").weights_of_labels(&labels, &names), Some(vec![1.0, 4.0]));
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
