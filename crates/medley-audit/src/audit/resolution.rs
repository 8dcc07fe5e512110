//! What a metric that is averaged over classes can tell on so many images.
//!
//! Macro-recall (balanced accuracy) is the mean over classes of a share, so its spread is known: with recall `r` on `n_c` images
//! of class `c` and `K` classes, its standard error is `sqrt(sum_c r (1 - r) / n_c) / K` (the classes' images are sampled
//! independently). Macro-F1 moves with it; its precision terms add a spread of the same order, so what is said here is
//! rather too little than too much. How two given models differ is told by a paired test on their predictions.

use medley_core::{Labels, TaskKind, TaskSpec};
use serde::Serialize;

/// Two-sided 95 % of the normal distribution.
const Z: f64 = 1.959_963_984_540_054;
/// The recall that the precision is given for.
const RECALL: f64 = 0.8;

/// How finely validation measures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Resolution {
    /// Images of validation.
    pub images: usize,
    /// The rarest class (for multi-label sets the rarest label) and how many images it has.
    pub rarest: (String, usize),
    /// By how much one image of the rarest class moves macro-recall: 1 / (K n).
    pub one_image: f64,
    /// Half of the 95 % interval of macro-recall when every class has a recall of 0.8. None where a class is absent: then
    /// the metric is not measured at all.
    pub half_width: Option<f64>,
    /// How far two models, each measured on other images of this number, must be apart to be told apart: the half width times
    /// the square root of 2.
    pub unpaired_difference: Option<f64>,
}

pub(super) fn resolution(spec: &TaskSpec, labels: &Labels) -> Resolution {
    let mut counts = labels.class_counts(spec.outputs());
    if spec.kind == TaskKind::MultiLabel {
        // Each label is a task of two classes, and the positive one is the rare one as a rule.
        for count in &mut counts {
            *count = (*count).min(labels.rows() - *count);
        }
    }
    let rarest = (0..counts.len()).min_by_key(|&class| counts[class]).unwrap_or_default();
    let classes = counts.len().max(1) as f64;
    let least = counts.get(rarest).copied().unwrap_or_default();
    let half_width = (least > 0).then(|| {
        let variance: f64 = counts.iter().map(|&count| RECALL * (1.0 - RECALL) / count as f64).sum();
        Z * variance.sqrt() / classes
    });
    Resolution {
        images: labels.rows(),
        rarest: (spec.classes.get(rarest).cloned().unwrap_or_default(), least),
        one_image: 1.0 / (classes * least.max(1) as f64),
        half_width,
        unpaired_difference: half_width.map(|half| half * std::f64::consts::SQRT_2),
    }
}

#[cfg(test)]
mod tests {
    use medley_core::{ImageShape, Modality, Origin};

    use super::*;

    #[test]
    fn the_formula_by_hand() {
        let spec = TaskSpec {
            name: "t".into(),
            title: "T".into(),
            kind: TaskKind::MultiClass,
            modality: Modality::Other,
            classes: vec!["a".into(), "b".into(), "c".into()],
            shape: ImageShape::flat(28, 28, 1),
            origin: Origin::User,
        };
        let mut values = vec![0; 100];
        values.extend([1; 4]);
        let found = resolution(&spec, &Labels::single(values.clone()).unwrap());
        assert_eq!((found.rarest, found.half_width), (("c".to_owned(), 0), None));
        values.extend([2; 16]);
        let found = resolution(&spec, &Labels::single(values).unwrap());
        assert_eq!(found.rarest, ("b".to_owned(), 4));
        assert!((found.one_image - 1.0 / 12.0).abs() < 1e-12);
        let by_hand = 1.959_964 * (0.16_f64 / 100.0 + 0.16 / 4.0 + 0.16 / 16.0).sqrt() / 3.0;
        assert!((found.half_width.unwrap() - by_hand).abs() < 1e-6);
    }
}
