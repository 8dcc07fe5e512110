//! Predictions of a network that knows the truth as well as it can be known.

use medley_core::seed::{Purpose, stream};
use medley_core::{ImageShape, Labels, Modality, Origin, Scores, TaskKind, TaskSpec};

pub(crate) fn task(kind: TaskKind, classes: usize) -> TaskSpec {
    TaskSpec {
        name: "t".into(),
        title: "T".into(),
        kind,
        modality: Modality::Other,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        shape: ImageShape::flat(1, 1, 1),
        origin: Origin::User,
    }
}

/// Uniform in 0 to 1, open.
pub(crate) fn uniform(rng: &mut impl rand::Rng) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / 4_294_967_296.0
}

pub(crate) fn normal(rng: &mut impl rand::Rng) -> f64 {
    (-2.0 * uniform(rng).ln()).sqrt() * (std::f64::consts::TAU * uniform(rng)).cos()
}

pub(crate) fn softmax(logits: &[f64]) -> Vec<f64> {
    let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let shares: Vec<f64> = logits.iter().map(|logit| (logit - most).exp()).collect();
    let sum: f64 = shares.iter().sum();
    shares.iter().map(|share| share / sum).collect()
}

/// `rows` images of classes that are true with the frequencies `truth`. Class `c` shifts coordinate `c` of a normal vector by `skill`; the
/// probabilities are Bayes' for the frequencies `trained`. So they are exact where both are equal.
pub(crate) fn bayes(truth: &[f64], trained: &[f64], skill: f64, rows: usize, seed: u64) -> (Scores, Labels) {
    let mut rng = stream(seed, Purpose::Synthetic, &[rows as u64]);
    let (mut labels, mut values) = (Vec::new(), Vec::new());
    for _ in 0..rows {
        let mut left = uniform(&mut rng) * truth.iter().sum::<f64>();
        let label = truth.iter().position(|share| {
            left -= share;
            left < 0.0
        });
        let label = label.unwrap_or(truth.len() - 1);
        let logits = trained.iter().enumerate().map(|(class, prior)| {
            let shift = if class == label { skill } else { 0.0 };
            prior.ln() + skill * (shift + normal(&mut rng))
        });
        values.extend(softmax(&logits.collect::<Vec<_>>()));
        labels.push(label as u16);
    }
    (Scores::new(values, rows, truth.len()).unwrap(), Labels::single(labels).unwrap())
}

/// Macro-F1 straight from its definition, for the classes that are true or decided for.
pub(crate) fn macro_f1(labels: &[u16], decisions: &[u16], classes: u16) -> f64 {
    let count =
        |of: &dyn Fn(u16, u16) -> bool| labels.iter().zip(decisions).filter(|(a, b)| of(**a, **b)).count() as f64;
    let f1s: Vec<f64> = (0..classes)
        .filter(|&class| count(&|a, b| a == class || b == class) > 0.0)
        .map(|class| {
            let hits = count(&|a, b| a == class && b == class);
            2.0 * hits / (count(&|a, _| a == class) + count(&|_, b| b == class))
        })
        .collect();
    f1s.iter().sum::<f64>() / f1s.len() as f64
}
