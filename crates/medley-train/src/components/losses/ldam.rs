use tch::{Kind, Reduction, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// Label-distribution-aware margin loss (Cao et al., *Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss*, 2019):
    /// cross entropy in which the logit of the target is lowered by a margin that is larger for rare classes, in proportion to
    /// `count^-1/4`. The authors scale logits by 30, as theirs are cosines; ours are not. For multi-label tasks, binary cross entropy
    /// per label.
    pub struct Ldam {
        /// The margin of the rarest class.
        margin: f64 = 0.5, in 0.0..=10.0;
        /// What logits are multiplied by after that.
        scale: f64 = 1.0, in 1e-3..=100.0;
    }
}

impl Loss for Ldam {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let ClassTargets { classes, weights, shares, label_smoothing } = *targets;
        let margins = shares.f_pow_tensor_scalar(-0.25)?;
        let margins = margins.f_div(&margins.f_max()?)?.f_mul_scalar(self.margin)?;
        let target = classes.f_one_hot(weights.numel() as i64)?.f_to_kind(Kind::Float)?;
        let lowered = logits.f_sub(&target.f_mul(&margins)?)?.f_mul_scalar(self.scale)?;
        lowered.f_cross_entropy_loss(classes, Some(weights), Reduction::None, -100, label_smoothing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossChoice;
    use super::super::conformance::{ClassRow, binary_cross_entropy, compare};
    use super::*;

    #[test]
    fn equals_the_definition() {
        for (margin, scale) in [(0.5, 1.0), (1.0, 3.0), (0.0, 1.0)] {
            let classes = |row: &ClassRow<'_>| {
                let rarest = row.shares.iter().copied().fold(f64::INFINITY, f64::min);
                let margin = margin * (rarest / row.shares[row.class]).powf(0.25);
                // Probabilities have the logits up to a constant.
                let logit = |class: usize| scale * (row.p[class].ln() - if class == row.class { margin } else { 0.0 });
                let sum: f64 = (0..row.p.len()).map(|class| logit(class).exp()).sum();
                (0..row.p.len()).map(|class| -row.target[class] * (logit(class) - sum.ln())).sum()
            };
            compare(&LossChoice::Ldam(Ldam { margin, scale }), classes, binary_cross_entropy);
        }
    }
}
