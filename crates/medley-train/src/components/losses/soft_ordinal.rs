use tch::{Kind, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// Cross entropy with soft ordinal labels (Díaz and Marathe, *Soft Labels for Ordinal Regression*, 2019) for classes that have an
    /// order, such as grades: the target of a class is the softmax of minus `sharpness` times the squared distance to it, so that
    /// neighbouring grades share in it. The loss of a row is multiplied by the weight of its class. For multi-label tasks, binary cross entropy per label.
    pub struct SoftOrdinal {
        /// How fast the target falls with the distance; a large one is cross entropy.
        sharpness: f64 = 2.0, in 0.1..=50.0;
    }
}

impl Loss for SoftOrdinal {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let classes = targets.weights.numel() as i64;
        let places = Tensor::f_arange(classes, (Kind::Float, logits.device()))?;
        let distances = places.f_unsqueeze(0)?.f_sub(&targets.classes.f_to_kind(Kind::Float)?.f_unsqueeze(1)?)?;
        let soft = distances.f_square()?.f_mul_scalar(-self.sharpness)?.f_softmax(-1, Kind::Float)?;
        let each = logits.f_log_softmax(-1, Kind::Float)?.f_mul(&targets.spread(&soft)?)?;
        each.f_sum_dim_intlist(-1, false, Kind::Float)?.f_neg()?.f_mul(&targets.row_weights()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossChoice;
    use super::super::conformance::{ClassRow, binary_cross_entropy, compare};
    use super::*;

    #[test]
    fn equals_the_definition() {
        for sharpness in [0.5, 2.0, 10.0] {
            let classes = |row: &ClassRow<'_>| {
                let similar = |class: usize| (-sharpness * (class as f64 - row.class as f64).powi(2)).exp();
                let sum: f64 = (0..row.p.len()).map(similar).sum();
                let count = row.p.len() as f64;
                let target = |class| (1.0 - row.smoothing) * similar(class) / sum + row.smoothing / count;
                let loss: f64 = (0..row.p.len()).map(|class| -target(class) * row.p[class].ln()).sum();
                loss * row.weights[row.class]
            };
            compare(&LossChoice::SoftOrdinal(SoftOrdinal { sharpness }), classes, binary_cross_entropy);
        }
    }
}
