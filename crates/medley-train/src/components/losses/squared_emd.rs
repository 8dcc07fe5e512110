use tch::{Kind, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// Squared earth mover's distance (Hou et al., *Squared Earth Mover's Distance-based Loss for Training Deep Neural Networks*, 2016)
    /// for classes that have an order, such as grades: the squared differences of the cumulative probabilities from those of the
    /// target, so that a neighbouring grade costs less than a distant one. The loss of a row is multiplied by the weight of its class. For multi-label
    /// tasks, binary cross entropy per label.
    pub struct SquaredEmd {}
}

impl Loss for SquaredEmd {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let difference = logits.f_softmax(-1, Kind::Float)?.f_sub(&targets.smoothed()?)?;
        let cumulative = difference.f_cumsum(-1, Kind::Float)?;
        cumulative.f_square()?.f_sum_dim_intlist(-1, false, Kind::Float)?.f_mul(&targets.row_weights()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossChoice;
    use super::super::conformance::{ClassRow, binary_cross_entropy, compare};
    use super::*;

    #[test]
    fn equals_the_definition() {
        let classes = |row: &ClassRow<'_>| {
            let (mut cumulative, mut sum) = (0.0, 0.0);
            for (p, target) in row.p.iter().zip(row.smoothed()) {
                cumulative += p - target;
                sum += cumulative * cumulative;
            }
            sum * row.weights[row.class]
        };
        compare(&LossChoice::SquaredEmd(SquaredEmd::default()), classes, binary_cross_entropy);
    }
}
