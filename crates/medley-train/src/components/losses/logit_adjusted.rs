use tch::{Reduction, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// Logit-adjusted cross entropy (Menon et al., *Long-tail Learning via Logit Adjustment*, 2021, equation 10): the logarithm of how
    /// frequent each class is in training is added to its logit, in the loss alone, so that what is learned is right for classes that
    /// are equally frequent. At a temperature of 1 it is the balanced softmax of Ren et al. (2020). Set `class_weight_power = 0` with
    /// it: both mend the same imbalance. For multi-label tasks, binary cross entropy per label.
    pub struct LogitAdjusted {
        /// How much frequent classes are held back; 0 is cross entropy.
        temperature: f64 = 1.0, in 0.0..=4.0;
    }
}

impl Loss for LogitAdjusted {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let adjusted = logits.f_add(&targets.shares.f_log()?.f_mul_scalar(self.temperature)?)?;
        let ClassTargets { classes, weights, label_smoothing, .. } = *targets;
        adjusted.f_cross_entropy_loss(classes, Some(weights), Reduction::None, -100, label_smoothing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossChoice;
    use super::super::conformance::{ClassRow, binary_cross_entropy, compare};
    use super::*;

    #[test]
    fn equals_the_definition() {
        for temperature in [0.5, 1.0, 2.0] {
            let classes = |row: &ClassRow<'_>| {
                let scaled = |class: usize| row.p[class] * row.shares[class].powf(temperature);
                let sum: f64 = (0..row.p.len()).map(scaled).sum();
                (0..row.p.len()).map(|class| -row.target[class] * (scaled(class) / sum).ln()).sum()
            };
            compare(&LossChoice::LogitAdjusted(LogitAdjusted { temperature }), classes, binary_cross_entropy);
        }
    }
}
