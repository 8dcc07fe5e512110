use tch::{Reduction, TchError, Tensor};

use super::{ClassTargets, Loss};

medley_core::keys! {
    /// Cross entropy over the classes of a task, with label smoothing (Szegedy et al., 2016, section 7), as
    /// `torch.nn.functional.cross_entropy`; for multi-label tasks, binary cross entropy per label.
    pub struct CrossEntropy {}
}

impl Loss for CrossEntropy {
    fn of_classes(&self, logits: &Tensor, targets: &ClassTargets<'_>) -> Result<Tensor, TchError> {
        let ClassTargets { classes, weights, label_smoothing, .. } = *targets;
        logits.f_cross_entropy_loss(classes, Some(weights), Reduction::None, -100, label_smoothing)
    }
}

#[cfg(test)]
mod tests {
    use super::super::LossChoice;
    use super::super::conformance::{ClassRow, binary_cross_entropy, compare};
    use super::*;

    #[test]
    fn equals_the_definition() {
        let classes = |row: &ClassRow<'_>| row.target.iter().zip(row.p).map(|(q, p)| -q * p.ln()).sum();
        compare(&LossChoice::CrossEntropy(CrossEntropy::default()), classes, binary_cross_entropy);
    }
}
