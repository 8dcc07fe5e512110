//! What every loss must do. The registry's test calls [`check_loss`] on all; the test of a loss calls [`compare`] with its formula.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests that extenders call")]

use medley_core::{ImageShape, Labels, Modality, Origin, TaskKind, TaskSpec};
use tch::{Device, Kind, Tensor};

use super::{LossChoice, LossConfig, LossKeys, TaskLoss};

const ROWS: usize = 6;

/// A task with this many classes or labels, its loss, and targets for [`ROWS`] rows.
fn task(choice: &LossChoice, kind: TaskKind, outputs: usize, label_smoothing: f64) -> (TaskLoss, Tensor, Labels) {
    let spec = TaskSpec {
        name: "example".into(),
        title: "Example".into(),
        kind,
        modality: Modality::Ultrasound,
        classes: (0..outputs).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(28, 28, 1),
        origin: Origin::Official,
    };
    let width = if kind == TaskKind::MultiLabel { outputs } else { 1 };
    let values =
        (0..ROWS * width).map(|i| if width == 1 { (i * i % outputs) as u16 } else { (i % 2) as u16 }).collect();
    let labels = Labels::multi(values, ROWS, width).unwrap();
    let config = LossConfig { choice: choice.clone(), common: LossKeys { label_smoothing, ..LossKeys::default() } };
    let loss = TaskLoss::new(&config, &spec, &labels, Device::Cpu);
    let targets = loss.targets(&labels, &[0, 1, 2, 3, 4, 5]).unwrap();
    (loss, targets, labels)
}

fn noise(outputs: usize) -> Tensor {
    let shape = [ROWS as i64, outputs as i64];
    (Tensor::arange((ROWS * outputs) as i64, (Kind::Float, Device::Cpu)) * 1.7).sin().view(shape) * 2.0
}

/// Checks shapes, finiteness at extreme logits, that the gradient is finite and points downhill, that a right and certain
/// answer costs less than a wrong one, and that probabilities lie in 0..=1: for classes and labels, with smoothing and without.
///
/// # Panics
/// When the loss does not conform: this is a test.
pub fn check_loss(choice: &LossChoice) {
    for (kind, outputs) in
        [(TaskKind::Binary, 2), (TaskKind::MultiClass, 3), (TaskKind::MultiLabel, 3), (TaskKind::MultiLabel, 14)]
    {
        for smoothing in [0.0, 0.1] {
            check_task(choice, kind, outputs, smoothing);
        }
    }
}

fn check_task(choice: &LossChoice, kind: TaskKind, outputs: usize, smoothing: f64) {
    let (loss, targets, _) = task(choice, kind, outputs, smoothing);
    let shape = [ROWS as i64, outputs as i64];
    let logits = noise(outputs).set_requires_grad(true);
    let per_row = loss.per_row(&logits, &targets).unwrap();
    assert_eq!(per_row.size(), [ROWS as i64], "one loss per row");
    let before = per_row.mean(Kind::Float);
    before.backward();
    let gradient = logits.grad();
    assert!(bool::try_from(gradient.isfinite().all()).unwrap(), "the gradient is finite");
    let moved = logits.detach() - &gradient * 0.1;
    let after = loss.per_row(&moved, &targets).unwrap().mean(Kind::Float);
    assert!(after.double_value(&[]) < before.double_value(&[]), "a step against the gradient lowers the loss");

    let is_classes = kind != TaskKind::MultiLabel;
    let right = if is_classes { targets.one_hot(outputs as i64) } else { targets.shallow_clone() };
    let certain = (right.to_kind(Kind::Float) * 2.0 - 1.0) * 4.0;
    let good = loss.per_row(&certain, &targets).unwrap();
    let bad = loss.per_row(&(&certain * -1.0), &targets).unwrap();
    assert!(
        bool::try_from(good.less_tensor(&bad).all()).unwrap(),
        "right and certain costs less than wrong and certain"
    );

    for extreme in [Tensor::full(shape, 1e4, (Kind::Float, Device::Cpu)), &certain * 1e4, &certain * -1e4] {
        let extreme = extreme.set_requires_grad(true);
        let cost = loss.per_row(&extreme, &targets).unwrap();
        assert!(bool::try_from(cost.isfinite().all()).unwrap(), "no overflow");
        cost.sum(Kind::Float).backward();
        assert!(bool::try_from(extreme.grad().isfinite().all()).unwrap(), "the gradient is finite at extreme logits");
        let probabilities = loss.probabilities(&extreme).unwrap();
        assert_eq!(probabilities.size(), shape);
        let inside = probabilities.ge(0.0).logical_and(&probabilities.le(1.0)).all();
        assert!(bool::try_from(inside).unwrap(), "probabilities lie in 0..=1");
    }
}

/// A row of a task with one class per row, for a formula in 64 bits.
#[derive(Debug)]
pub struct ClassRow<'a> {
    /// Its class.
    pub class: usize,
    /// The share of each class in its target, times the weight of the class.
    pub target: &'a [f64],
    /// The weight of each class.
    pub weights: &'a [f64],
    /// The share of each class in the training rows.
    pub shares: &'a [f64],
    /// Share of the target that is spread evenly.
    pub smoothing: f64,
    /// The probability of each class.
    pub p: &'a [f64],
}

impl ClassRow<'_> {
    /// The share of each class in its target.
    pub fn smoothed(&self) -> Vec<f64> {
        let even = self.smoothing / self.p.len() as f64;
        (0..self.p.len()).map(|class| even + if class == self.class { 1.0 - self.smoothing } else { 0.0 }).collect()
    }
}

/// The loss over labels of those that are made for classes.
pub fn binary_cross_entropy(target: f64, p: f64) -> f64 {
    -target * p.ln() - (1.0 - target) * (1.0 - p).ln()
}

/// Compares values and gradients with a formula in 64 bits; `label` gets the target and the probability of one label. The slopes of
/// the formula are measured.
///
/// # Panics
/// When they differ: this is a test.
pub fn compare(choice: &LossChoice, classes: impl Fn(&ClassRow<'_>) -> f64, label: impl Fn(f64, f64) -> f64) {
    for smoothing in [0.0, 0.3] {
        let (loss, targets, labels) = task(choice, TaskKind::MultiClass, 3, smoothing);
        let counts = labels.class_counts(3);
        let (weights, shares) = (LossKeys::default().weights_of_classes(&counts, &[]), super::class_shares(&counts));
        compare_with(&loss, &targets, 3, |row, logits| {
            let sum: f64 = logits.iter().map(|z| z.exp()).sum();
            let p: Vec<f64> = logits.iter().map(|z| z.exp() / sum).collect();
            let class = usize::from(labels.row(row)[0]);
            let row = ClassRow { class, target: &[], weights: &weights, shares: &shares, smoothing, p: &p };
            let target: Vec<f64> = row.smoothed().iter().zip(&weights).map(|(share, weight)| share * weight).collect();
            classes(&ClassRow { target: &target, ..row })
        });
        let (loss, targets, labels) = task(choice, TaskKind::MultiLabel, 3, smoothing);
        compare_with(&loss, &targets, 3, |row, logits| {
            let targets = labels.row(row).iter().map(|&y| f64::from(y) * (1.0 - smoothing) + smoothing / 2.0);
            let losses = targets.zip(logits).map(|(target, z)| label(target, 1.0 / (1.0 + (-z).exp())));
            losses.sum::<f64>() / 3.0
        });
    }
}

fn compare_with(loss: &TaskLoss, targets: &Tensor, outputs: usize, formula: impl Fn(usize, &[f64]) -> f64) {
    const STEP: f64 = 1e-5;
    let logits = noise(outputs).set_requires_grad(true);
    let per_row = loss.per_row(&logits, targets).unwrap();
    per_row.sum(Kind::Float).backward();
    let gradient = logits.grad();
    for row in 0..ROWS {
        let point: Vec<f64> = (0..outputs).map(|column| logits.double_value(&[row as i64, column as i64])).collect();
        let (actual, expected) = (per_row.double_value(&[row as i64]), formula(row, &point));
        assert!((actual - expected).abs() < 1e-5, "row {row}: {actual}, by the formula {expected}");
        for column in 0..outputs {
            let at = |step: f64| {
                let mut moved = point.clone();
                moved[column] += step;
                formula(row, &moved)
            };
            let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let actual = gradient.double_value(&[row as i64, column as i64]);
            assert!((actual - expected).abs() < 1e-5, "slope at {row}, {column}: {actual}, by the formula {expected}");
        }
    }
}
