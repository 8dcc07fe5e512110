use tch::{Kind, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// Weighted kappa loss (de la Torre, Puig and Valls, *Weighted Kappa Loss Function for Multi-Class Classification of Ordinal Data in
    /// Deep Learning*, 2018) for classes that have an order, such as grades: the logarithm of one minus the kappa of the
    /// probabilities with quadratic weights. It is one number for all rows of a task in a batch, which are to be many, and 0 where
    /// predictions do not depend on images; below that it is negative. Rows count by the weight of their class. For multi-label tasks,
    /// binary cross entropy per label.
    pub struct QuadraticKappa {
        /// Added to one minus kappa, so that the logarithm is finite.
        epsilon: f64 = 1e-6, in 1e-12..=0.1;
    }
}

/// Least disagreement by chance that is divided by.
const LEAST: f64 = 1e-12;

impl Loss for QuadraticKappa {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let classes = targets.weights.numel() as i64;
        let places = Tensor::f_arange(classes, (Kind::Float, logits.device()))?;
        let costs = places.f_unsqueeze(0)?.f_sub(&places.f_unsqueeze(1)?)?.f_square()?;
        let weights = targets.row_weights()?.f_unsqueeze(1)?;
        let truth = targets.smoothed()?.f_mul(&weights)?;
        let p = logits.f_softmax(-1, Kind::Float)?;
        let observed = truth.f_matmul(&costs)?.f_mul(&p)?.f_sum(Kind::Float)?;
        let total = |shares: &Tensor| shares.f_sum_dim_intlist(0_i64, false, Kind::Float);
        let by_chance = total(&truth)?.f_matmul(&costs)?.f_dot(&total(&p.f_mul(&weights)?)?)?;
        let by_chance = by_chance.f_div(&weights.f_sum(Kind::Float)?)?.f_clamp_min(LEAST)?;
        let loss = observed.f_div(&by_chance)?.f_add_scalar(self.epsilon)?.f_log()?;
        loss.f_expand([logits.size()[0]], false)
    }

    fn may_be_negative(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loss(logits: &[f32], classes: &[i64]) -> f64 {
        let (rows, ones) = (classes.len() as i64, Tensor::from_slice(&[1.0_f32, 1.0, 1.0]));
        let classes = Tensor::from_slice(classes);
        let targets = ClassTargets { classes: &classes, weights: &ones, shares: &ones, label_smoothing: 0.0 };
        let loss = QuadraticKappa::default().of_classes(&Tensor::from_slice(logits).view([rows, 3]), &targets).unwrap();
        assert_eq!(loss.size(), [rows]);
        loss.double_value(&[0])
    }

    #[test]
    fn certain_answers_have_the_kappa_of_their_confusion() {
        let answers = |answers: &[usize]| -> Vec<f32> {
            answers
                .iter()
                .flat_map(|&answer| (0..3).map(move |class| if class == answer { 50.0 } else { 0.0 }))
                .collect()
        };
        // Off by one grade in one of four: 1 observed; by chance (0 + 1 + 1 + 4 + 1 + 0 + 0 + 1 + ...) of the margins.
        let (truth, given) = ([0_i64, 1, 1, 2], [0_usize, 1, 2, 2]);
        let by_chance: i64 = truth.iter().flat_map(|t| given.iter().map(move |&g| (t - g as i64).pow(2))).sum();
        let expected = (4.0 / by_chance as f64 + 1e-6).ln();
        assert!((loss(&answers(&given), &truth) - expected).abs() < 1e-5);
        // The same answer to all is chance.
        assert!(loss(&answers(&[1, 1, 1, 1]), &truth).abs() < 1e-5);
    }

    #[test]
    fn one_row_or_one_class_is_finite() {
        assert!(loss(&[1.0, 2.0, 3.0], &[1]).abs() < 1e-5);
        assert!(loss(&[50.0, 0.0, 0.0, 50.0, 0.0, 0.0], &[0, 0]).is_finite());
    }
}
