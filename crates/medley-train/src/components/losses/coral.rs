use tch::{Kind, Reduction, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// CORAL (Cao, Mirjalili and Raschka, *Rank Consistent Ordinal Regression for Neural Networks*, 2020) for classes that have an order,
    /// such as grades: binary cross entropy of the questions whether an image is above each grade. The authors' head has one output and a
    /// bias per question, so that the answers agree with each other. Here they agree because they are sums of the probabilities of the
    /// classes: heads, predictions and exported weights are those of every other loss. The loss of a row is multiplied by the weight
    /// of its class. For multi-label tasks, binary cross entropy per label.
    pub struct Coral {}
}

/// The log odds that an image is above each class but the last: `[n, C - 1]` f32 from logits `[n, C]` f32.
fn cumulative(logits: &Tensor) -> Result<Tensor, TchError> {
    let classes = logits.size()[1];
    let odds = |class: i64| {
        let above = logits.f_narrow(1, class + 1, classes - class - 1)?.f_logsumexp(1_i64, false)?;
        above.f_sub(&logits.f_narrow(1, 0, class + 1)?.f_logsumexp(1_i64, false)?)
    };
    Tensor::f_stack(&(0..classes - 1).map(odds).collect::<Result<Vec<_>, _>>()?, 1)
}

impl Loss for Coral {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let questions = logits.size()[1] - 1;
        // The share of the target that is above each class.
        let below = targets.smoothed()?.f_cumsum(-1, Kind::Float)?.f_narrow(1, 0, questions)?;
        let above = below.f_neg()?.f_add_scalar(1.0)?;
        let none = None::<&Tensor>;
        let each = cumulative(logits)?.f_binary_cross_entropy_with_logits(&above, none, none, Reduction::None)?;
        each.f_sum_dim_intlist(-1, false, Kind::Float)?.f_mul(&targets.row_weights()?)
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
            let target = row.smoothed();
            let above = |shares: &[f64], class: usize| shares[class + 1..].iter().sum::<f64>();
            let questions = 0..row.p.len() - 1;
            let losses = questions.map(|class| binary_cross_entropy(above(&target, class), above(row.p, class)));
            losses.sum::<f64>() * row.weights[row.class]
        };
        compare(&LossChoice::Coral(Coral::default()), classes, binary_cross_entropy);
    }
}
