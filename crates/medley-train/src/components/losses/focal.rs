use tch::{Kind, Reduction, TchError, Tensor};

use super::{ClassTargets, LabelTargets, Loss};

medley_core::keys! {
    /// Focal loss (Lin et al., *Focal Loss for Dense Object Detection*, 2017): cross entropy times `(1 - p)^gamma`, where `p` is the
    /// probability of the target, so that easy rows count less; for multi-label tasks per label, as
    /// `torchvision.ops.sigmoid_focal_loss` without `alpha`.
    pub struct Focal {
        /// How much less easy rows count; 0 is cross entropy.
        gamma: f64 = 2.0, in 0.0..=10.0;
    }
}

/// Below it the factor stays as it is: the slope of `x^gamma` at 0 is infinite for exponents below 1.
const LEAST: f64 = 1e-7;

impl Focal {
    fn factor(&self, missing: &Tensor) -> Result<Tensor, TchError> {
        missing.f_clamp_min(LEAST)?.f_pow_tensor_scalar(self.gamma)
    }
}

impl Loss for Focal {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let log_p = logits.f_log_softmax(-1, Kind::Float)?;
        let missing = log_p.f_expm1()?.f_neg()?;
        let each = log_p.f_mul(&self.factor(&missing)?)?.f_mul(&targets.weighted()?)?;
        each.f_sum_dim_intlist(-1, false, Kind::Float)?.f_neg()
    }

    fn of_labels(&self, logits: &Tensor, targets: &LabelTargets<'_>) -> Result<Tensor, TchError> {
        let none = None::<&Tensor>;
        let weights = targets.positive_weights;
        let cross_entropy =
            logits.f_binary_cross_entropy_with_logits(targets.values, none, weights, Reduction::None)?;
        let p = logits.f_sigmoid()?;
        // 1 - (p t + (1 - p) (1 - t)) = p + t - 2 p t
        let both = p.f_mul(targets.values)?.f_mul_scalar(2.0)?;
        let missing = p.f_add(targets.values)?.f_sub(&both)?;
        cross_entropy.f_mul(&self.factor(&missing)?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{ClassRow, compare};
    use super::super::{CrossEntropy, LossChoice};
    use super::*;

    #[test]
    fn equals_the_definition() {
        for gamma in [0.5, 1.0, 2.0, 3.5] {
            let classes = |row: &ClassRow<'_>| {
                row.target.iter().zip(row.p).map(|(q, p)| -q * (1.0 - p).powf(gamma) * p.ln()).sum()
            };
            let label = |target: f64, p: f64| {
                let p_t = p * target + (1.0 - p) * (1.0 - target);
                (1.0 - p_t).powf(gamma) * (-target * p.ln() - (1.0 - target) * (1.0 - p).ln())
            };
            compare(&LossChoice::Focal(Focal { gamma }), classes, label);
        }
    }

    #[test]
    fn without_gamma_it_is_cross_entropy() {
        let logits = Tensor::from_slice(&[0.3_f32, -1.2, 0.9, 2.0, 0.0, -3.0]).view([2, 3]);
        let (classes, weights) = (Tensor::from_slice(&[1_i64, 0]), Tensor::from_slice(&[1.0_f32, 2.0, 0.5]));
        let targets = ClassTargets { classes: &classes, weights: &weights, shares: &weights, label_smoothing: 0.1 };
        let focal = Focal { gamma: 0.0 }.of_classes(&logits, &targets).unwrap();
        let cross_entropy = CrossEntropy::default().of_classes(&logits, &targets).unwrap();
        assert!(focal.allclose(&cross_entropy, 1e-6, 1e-6, false), "{focal} {cross_entropy}");
    }
}
