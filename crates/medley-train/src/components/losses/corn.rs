use tch::{Kind, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// CORN (Shi, Cao and Raschka, *Deep Neural Networks for Rank-Consistent Ordinal Regression Based On Conditional Probabilities*, 2021)
    /// for classes that have an order, such as grades: binary cross entropy of the questions whether an image that is not below a
    /// grade is above it. A row has one question for each grade up to its own, and its loss is their sum, where the authors divide
    /// that of a batch by the number of its questions. Heads have an output per class all the same: the log odds of a question are the mean of the
    /// outputs of the higher classes less that of its own, which is the authors' head in other coordinates. Probabilities of classes
    /// are products of the answers, not the softmax of the outputs; exported weights say so. With two classes it is cross
    /// entropy. The loss of a row is multiplied by the weight of its class. For multi-label tasks, binary cross entropy per label.
    pub struct Corn {}
}

/// The log odds that an image is above each class but the last, given that it is not below: `[n, C - 1]` f32 from logits `[n, C]` f32.
fn conditional(logits: &Tensor) -> Result<Tensor, TchError> {
    let classes = logits.size()[1];
    let mut matrix = Vec::with_capacity((classes * (classes - 1)) as usize);
    for output in 0..classes {
        matrix.extend((0..classes - 1).map(|question| match output.cmp(&question) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => -1.0,
            std::cmp::Ordering::Greater => 1.0 / (classes - 1 - question) as f32,
        }));
    }
    let matrix = Tensor::f_from_slice(&matrix)?.f_view([classes, classes - 1])?;
    logits.f_matmul(&matrix.f_to_device(logits.device())?)
}

impl Loss for Corn {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let each = self.class_logits(logits)?.f_mul(&targets.smoothed()?)?;
        each.f_sum_dim_intlist(-1, false, Kind::Float)?.f_neg()?.f_mul(&targets.row_weights()?)
    }

    /// The logarithms of the probabilities: their softmax are those.
    fn class_logits(&self, logits: &Tensor) -> Result<Tensor, TchError> {
        let odds = conditional(logits)?;
        let (above, not_above) = (odds.f_log_sigmoid()?, odds.f_neg()?.f_log_sigmoid()?);
        let certain = logits.f_narrow(1, 0, 1)?.f_zeros_like()?;
        let not_below = Tensor::f_cat(&[&certain, &above.f_cumsum(-1, Kind::Float)?], 1)?;
        not_below.f_add(&Tensor::f_cat(&[&not_above, &certain], 1)?)
    }

    fn reads_logits(&self) -> Option<&'static str> {
        Some(
            "with C outputs z_0 .. z_{C-1}, f_k = mean(z_{k+1} .. z_{C-1}) - z_k is the log odds of being above class k given not \
             below it; the probability of class k is the product of sigmoid(f_j) over j < k, times sigmoid(-f_k) unless k is the last",
        )
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
            // Probabilities of the softmax have the logits up to a constant, which cancels.
            let (z, last) = (row.p.iter().map(|p| p.ln()).collect::<Vec<_>>(), row.p.len() - 1);
            let above = |class: usize| {
                let higher = z[class + 1..].iter().sum::<f64>() / (last - class) as f64;
                1.0 / (1.0 + (z[class] - higher).exp())
            };
            let loss_of = |class: usize| {
                let questions = 0..=class.min(last - 1);
                questions
                    .map(|asked| binary_cross_entropy(f64::from(u8::from(class > asked)), above(asked)))
                    .sum::<f64>()
            };
            let target = row.smoothed();
            let loss: f64 = (0..=last).map(|class| target[class] * loss_of(class)).sum();
            loss * row.weights[row.class]
        };
        compare(&LossChoice::Corn(Corn::default()), classes, binary_cross_entropy);
    }

    #[test]
    fn probabilities_are_products_of_the_answers() {
        let logits = Tensor::from_slice(&[0.5_f32, -1.0, 2.0]).view([1, 3]);
        let actual: Vec<f32> =
            Vec::try_from(Corn::default().class_logits(&logits).unwrap().softmax(-1, Kind::Float).view(-1)).unwrap();
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        // 0.5 - 0.5 and 2 + 1.
        let (first, second) = (sigmoid(0.0), sigmoid(3.0));
        let expected = [1.0 - first, first * (1.0 - second), first * second];
        assert!(actual.iter().zip(expected).all(|(actual, expected)| (actual - expected).abs() < 1e-6), "{actual:?}");
    }
}
